/**
 * What keys do, wherever the focus is.
 */
import { useEffect, useRef } from 'react'

/** Something that a key does. */
export type Command = 'stop' | 'focus' | 'newChat' | 'search' | 'models' | 'side' | 'copy' | 'help'

interface Shortcut {
  command: Command
  /** Pressed alone, outside of text. */
  single?: string
  /** Pressed with Ctrl, or with the command key, anywhere. */
  chord?: string
}

/** All commands, with their keys as a person reads them. */
export const COMMANDS: readonly Shortcut[] = [
  { command: 'stop', single: 'Escape' },
  { command: 'focus', single: '/' },
  { command: 'newChat', single: 'n', chord: 'Ctrl Shift O' },
  { command: 'search', single: 's', chord: 'Ctrl K' },
  { command: 'models', single: 'm' },
  { command: 'side', single: 'b' },
  { command: 'copy', single: 'c' },
  { command: 'help', single: '?', chord: 'Ctrl /' },
]

/** The part of a key press that decides. */
export interface Press {
  key: string
  ctrlKey: boolean
  metaKey: boolean
  altKey: boolean
  shiftKey: boolean
  isComposing: boolean
}

/** Finds what a key press does; null for nothing. `inText`: the focus is where text is typed. */
export function findCommand(press: Press, inText: boolean, singleKeys: boolean): Command | null {
  if (press.isComposing || press.altKey) return null
  const named = (find: (shortcut: Shortcut) => boolean) => COMMANDS.find(find)?.command ?? null
  if (press.ctrlKey || press.metaKey) {
    const chord = `Ctrl ${press.shiftKey && press.key !== '/' ? 'Shift ' : ''}${press.key.toUpperCase()}`
    return named((shortcut) => shortcut.chord === chord)
  }
  if (press.key === 'Escape') return 'stop'
  // "?" and "/" take Shift on some keyboards and not on others.
  if (inText || !singleKeys) return null
  return named((shortcut) => shortcut.single === press.key)
}

/** Listens for keys. Those that a component has used, and those that are pressed in a dialog, are left alone. */
export function useShortcuts(singleKeys: boolean, run: (command: Command) => boolean): void {
  const latest = useRef(run)
  useEffect(() => {
    latest.current = run
  })
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (event.defaultPrevented || document.querySelector('dialog[open]')) return
      const command = findCommand(event, isText(event.target), singleKeys)
      if (command !== null && latest.current(command)) event.preventDefault()
    }
    document.addEventListener('keydown', press)
    return () => document.removeEventListener('keydown', press)
  }, [singleKeys])
}

function isText(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.matches('input, textarea, select, [role="menuitem"]')
}
