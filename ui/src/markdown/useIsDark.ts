/**
 * Whether the page is dark, whatever made it so: the device, or the person's choice.
 */
import { useSyncExternalStore } from 'react'

const DARK = '(prefers-color-scheme: dark)'

/** Tells whether it is now, and draws again when that changes. */
export function useIsDark(): boolean {
  return useSyncExternalStore(subscribe, isDark)
}

function subscribe(onChange: () => void): () => void {
  const media = window.matchMedia?.(DARK)
  const watcher = new MutationObserver(onChange)
  media?.addEventListener('change', onChange)
  watcher.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] })
  return () => {
    media?.removeEventListener('change', onChange)
    watcher.disconnect()
  }
}

function isDark(): boolean {
  const scheme = getComputedStyle(document.documentElement).colorScheme
  if (scheme === 'dark' || scheme === 'light') return scheme === 'dark'
  return window.matchMedia?.(DARK).matches ?? false
}
