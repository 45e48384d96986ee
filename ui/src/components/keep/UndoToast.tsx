/**
 * Offers to take the last deletion back.
 */
import type { ReactNode } from 'react'
import { useReadable, useStore } from '../../chat/react'
import { useStrings } from '../../strings'

/** Draws the offer for as long as the store makes it. */
export function UndoToast(): ReactNode {
  const store = useStore()
  const { undo } = useReadable(store.library)
  const { side } = useStrings()
  return (
    <div role="status" className="toasts">
      {undo && (
        <div className="toast undo">
          <span>{side.removed(undo.title || side.untitled)}</span>
          <button type="button" className="link" onClick={() => void store.undoRemove()}>
            {side.undo}
          </button>
        </div>
      )}
    </div>
  )
}
