/**
 * A modal dialog: the browser's own, which keeps the focus inside and gives it back.
 */
import { type ReactNode, useLayoutEffect, useRef } from 'react'
import { useStrings } from '../../strings'
import { IconButton } from './IconButton'

interface DialogProps {
  title: string
  onClose: () => void
  className?: string
  children: ReactNode
}

const FIELD = 'textarea, select, input:not([type=checkbox], [type=radio])'

/**
 * Draws a dialog, open from the beginning; `onClose` is called when the person leaves it in any way: take it away then.
 */
export function Dialog({ title, onClose, className = '', children }: DialogProps): ReactNode {
  const element = useRef<HTMLDialogElement>(null)
  const { app } = useStrings()
  useLayoutEffect(() => {
    const dialog = element.current
    if (!dialog) return
    dialog.showModal()
    // Who opens a dialog to write something can write at once; else the browser chooses.
    dialog.querySelector<HTMLElement>(FIELD)?.focus()
    // Before it is taken away: only then does the focus go back to where it was.
    return () => dialog.close()
  }, [])
  return (
    <dialog
      ref={element}
      className={`dialog ${className}`}
      aria-label={title}
      onClose={onClose}
      // A press on the dim ground beside it: the dialog itself has no padding, so only that is its own.
      onPointerDown={(event) => event.target === element.current && onClose()}
    >
      <div className="dialog-body">
        <div className="dialog-head">
          <h2>{title}</h2>
          <IconButton icon="close" label={app.close} onClick={onClose} />
        </div>
        {children}
      </div>
    </dialog>
  )
}
