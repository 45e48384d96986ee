/**
 * A button that opens a short list of actions.
 */
import { type KeyboardEvent, type ReactNode, useEffect, useId, useRef, useState } from 'react'
import { IconButton } from './IconButton'
import { Icon, type IconName } from './icons'

/** One action of a menu. */
export interface MenuItem {
  icon: IconName
  label: string
  danger?: boolean
  run: () => void
}

/** Draws the button and, once it is pressed, the list; arrows move in it, Escape leaves it. */
export function Menu({ label, items }: { label: string; items: readonly MenuItem[] }): ReactNode {
  const [open, setOpen] = useState(false)
  const id = useId()
  const root = useRef<HTMLDivElement>(null)
  const list = useRef<HTMLDivElement>(null)
  useDismissal(open, root, () => setOpen(false))
  useEffect(() => {
    if (!open) return
    list.current?.querySelector('button')?.focus()
    list.current?.scrollIntoView({ block: 'nearest' })
  }, [open])
  const leave = () => {
    setOpen(false)
    root.current?.querySelector('button')?.focus()
  }
  return (
    <div className="menu" ref={root}>
      <IconButton
        icon="more"
        label={label}
        aria-haspopup="menu"
        aria-expanded={open}
        aria-controls={open ? id : undefined}
        onClick={() => setOpen(!open)}
      />
      {open && (
        <div
          id={id}
          className="menu-list"
          role="menu"
          aria-label={label}
          tabIndex={-1}
          ref={list}
          onKeyDown={(event) => moveIn(event, leave)}
        >
          {items.map((item) => (
            <button
              key={item.label}
              type="button"
              role="menuitem"
              tabIndex={-1}
              className={item.danger ? 'danger' : ''}
              onClick={() => {
                leave()
                item.run()
              }}
            >
              <Icon name={item.icon} />
              {item.label}
            </button>
          ))}
        </div>
      )}
    </div>
  )
}

/** Calls `leave` when the person presses or moves elsewhere. */
function useDismissal(open: boolean, root: { current: HTMLElement | null }, leave: () => void): void {
  useEffect(() => {
    if (!open) return
    const look = (event: Event) => {
      if (event.target instanceof Node && !root.current?.contains(event.target)) leave()
    }
    document.addEventListener('pointerdown', look)
    document.addEventListener('focusin', look)
    return () => {
      document.removeEventListener('pointerdown', look)
      document.removeEventListener('focusin', look)
    }
  })
}

function moveIn(event: KeyboardEvent<HTMLElement>, leave: () => void): void {
  const buttons = [...event.currentTarget.querySelectorAll('button')]
  const at = buttons.indexOf(document.activeElement as HTMLButtonElement)
  const target = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[event.key]
  if (target !== undefined) {
    event.preventDefault()
    buttons.at(target % buttons.length)?.focus()
  } else if (event.key === 'Escape' || event.key === 'Tab') {
    if (event.key === 'Escape') event.preventDefault()
    event.stopPropagation()
    leave()
  }
}
