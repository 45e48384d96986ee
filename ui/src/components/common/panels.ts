/**
 * The dialogs that belong to the page as a whole.
 */
import { createContext, use } from 'react'

/** A dialog of the page. */
export type Panel = 'preferences' | 'shortcuts'

interface Panels {
  show: (panel: Panel) => void
}

/** Holds the way to open one. */
export const PanelsContext = createContext<Panels>({ show: () => undefined })

/** Gives the way to open a dialog of the page. */
export function usePanels(): Panels {
  return use(PanelsContext)
}
