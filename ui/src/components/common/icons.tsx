/**
 * The page's icons: drawn here, one colour, hidden from screen readers. Whoever uses one gives the words.
 */
import type { ReactNode } from 'react'

const PATHS = {
  menu: 'M4 7h16M4 12h16M4 17h16',
  plus: 'M12 5v14M5 12h14',
  ghost: 'M6 20V11a6 6 0 0 1 12 0v9l-3-2-3 2-3-2zM10 11h.01M14 11h.01',
  search: 'M11 18a7 7 0 1 1 0-14 7 7 0 0 1 0 14zM20 20l-4-4',
  close: 'M6 6l12 12M18 6L6 18',
  more: 'M5 12h.01M12 12h.01M19 12h.01',
  pin: 'M9 4h6l-1 6 3 3H7l3-3zM12 13v7',
  send: 'M12 19V5M6 11l6-6 6 6',
  stop: 'M7 7h10v10H7z',
  attach: 'M8 12l6-6a3.5 3.5 0 0 1 5 5l-8 8a5.5 5.5 0 0 1-8-8l7-7',
  settings:
    'M4 7h10M18 7h2M4 17h4M12 17h8M16 9.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM10 19.500a2.500 2.500 0 1 0 0-5 2.500 2.500 0 0 0 0 5z',
  copy: 'M9 9h10v11H9zM15 9V5H5v11h4',
  check: 'M5 13l4 4L19 7',
  again: 'M19 12a7 7 0 1 1-2-5l2 2M19 4v5h-5',
  edit: 'M5 19l1-4L16 5l3 3L9 18z',
  on: 'M7 6l6 6-6 6M14 6l6 6-6 6',
  left: 'M14 6l-6 6 6 6',
  right: 'M10 6l6 6-6 6',
  down: 'M6 10l6 6 6-6',
  latest: 'M12 5v14M6 13l6 6 6-6',
  columns: 'M4 5h16v14H4zM12 5v14',
  theme: 'M12 4a8 8 0 1 0 8 8 6 6 0 0 1-8-8z',
  keyboard: 'M3 7h18v10H3zM7 11h.01M11 11h.01M15 11h.01M8 14h8',
  download: 'M12 4v11M7 10l5 5 5-5M5 20h14',
  upload: 'M12 15V4M7 9l5-5 5 5M5 20h14',
  remove: 'M5 7h14M9 7V4h6v3M7 7l1 13h8l1-13',
  file: 'M7 3h7l4 4v14H7zM14 3v4h4',
} as const

/** The name of an icon. */
export type IconName = keyof typeof PATHS

/** Draws an icon in the size and colour of the text around it. */
export function Icon({ name }: { name: IconName }): ReactNode {
  return (
    <svg className="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  )
}
