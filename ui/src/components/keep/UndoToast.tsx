/**
 * Offers to take the last deletion back.
 */
import { type ReactNode, useEffect, useRef } from 'react'
import { useReadable, useStore } from '../../chat/react'
import { useStrings } from '../../strings'

/** Draws the offer for as long as the store makes it. */
export function UndoToast(): ReactNode {
  const store = useStore()
  const { undo } = useReadable(store.library)
  const { side } = useStrings()
  const button = useRef<HTMLButtonElement>(null)
  useEffect(() => {
    // The line goes away, or has gone, with what had the focus.
    const focused = document.activeElement
    if (undo && (focused === document.body || focused?.closest('.line'))) button.current?.focus()
  }, [undo])
  return (
    <div role="status" className="toasts">
      {undo && (
        <div className="toast undo">
          <span>{side.removed(undo.title || side.untitled)}</span>
          <button ref={button} type="button" className="link" onClick={() => void store.undoRemove()}>
            {side.undo}
          </button>
        </div>
      )}
    </div>
  )
}
