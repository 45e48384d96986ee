/**
 * Draws components in tests, on a store in memory, and gives jsdom the parts of a browser that it lacks.
 */
import { type RenderResult, render } from '@testing-library/react'
import userEvent, { type UserEvent } from '@testing-library/user-event'
import type { ReactNode } from 'react'
import { StoreProvider } from '../../chat/react'
import { type Strings, StringsContext } from '../../strings'
import { en } from '../../strings/en'
import { FakeStore } from './fakeStore'

interface Drawn extends RenderResult {
  store: FakeStore
  user: UserEvent
}

/** Draws with English words, if no others are given. */
export function draw(ui: ReactNode, options: { store?: FakeStore; words?: Strings } = {}): Drawn {
  const { store = new FakeStore(), words = en } = options
  completeBrowser()
  const user = userEvent.setup()
  const drawn = render(
    <StringsContext value={words}>
      <StoreProvider store={store}>{ui}</StoreProvider>
    </StringsContext>,
  )
  return { ...drawn, store, user }
}

/** Adds what jsdom has not: dialogs, media queries, observers of size, and scrolling. */
export function completeBrowser(): void {
  HTMLDialogElement.prototype.showModal = function showModal() {
    this.open = true
  }
  HTMLDialogElement.prototype.close = function close() {
    this.open = false
  }
  Element.prototype.scrollIntoView = () => undefined
  Element.prototype.scrollTo = () => undefined
  window.matchMedia = (query) =>
    Object.assign(new EventTarget(), { matches: query === '(pointer: fine)', media: query }) as MediaQueryList
  window.ResizeObserver = class {
    observe() {}
    unobserve() {}
    disconnect() {}
  }
}
