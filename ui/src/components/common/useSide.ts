/**
 * Whether the side bar is there: beside the chat where there is room, above it where there is none.
 */
import { useEffect, useState } from 'react'
import { useMedia } from './useMedia'

const SLOT = 'outcrop.side'

/** The side bar's place. */
export interface Side {
  open: boolean
  /** Whether it lies above the chat, which can't be reached meanwhile. */
  covers: boolean
  toggle: () => void
  /** Something was chosen in it: where it covers the chat it goes away. */
  chosen: () => void
}

/** Keeps the side bar's place; where there is room, what the person chose is remembered. */
export function useSide(): Side {
  const narrow = useMedia('(max-width: 56rem)')
  const [beside, setBeside] = useState(readChoice)
  const [above, setAbove] = useState(false)
  const open = narrow ? above : beside
  const covers = narrow && above
  useEffect(() => {
    if (!covers) return
    document.querySelector<HTMLElement>('#side button, #side a')?.focus()
    const leave = (event: KeyboardEvent) => {
      if (event.key === 'Escape' && !event.defaultPrevented && !document.querySelector('dialog[open]'))
        setAbove(false)
    }
    document.addEventListener('keydown', leave)
    return () => document.removeEventListener('keydown', leave)
  }, [covers])
  const toggle = () => {
    if (narrow) setAbove(!above)
    else {
      setBeside(!beside)
      writeChoice(!beside)
    }
    // The button that was pressed is gone then; the one that does the opposite takes its place.
    requestAnimationFrame(() => {
      if (document.activeElement === document.body) focusOpposite(!open)
    })
  }
  return { open, covers, toggle, chosen: () => setAbove(false) }
}

function focusOpposite(isOpen: boolean): void {
  document.querySelector<HTMLElement>(isOpen ? '.side-hide' : '[aria-controls="side"]')?.focus()
}

function readChoice(): boolean {
  try {
    return localStorage.getItem(SLOT) !== 'closed'
  } catch {
    return true
  }
}

function writeChoice(open: boolean): void {
  try {
    localStorage.setItem(SLOT, open ? 'open' : 'closed')
  } catch {
    // Where storage is forbidden the choice lasts as long as the page.
  }
}
