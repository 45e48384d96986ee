/**
 * What the service worker does with a request, decided from the request alone.
 */

/** How a request is answered: by the page, by a file that never changes, or as if there were no worker. */
export type Way = 'page' | 'file' | 'network'

/** The part of a `Request` that the decision needs. */
export interface Asked {
  method: string
  mode: string
  url: string
}

/**
 * Says how a request is answered. Only the page's own addresses and its own files are ever taken from the cache: no
 * answer of the gateway is, whatever its address will be one day.
 */
export function chooseWay(asked: Asked, origin: string, files: ReadonlySet<string>): Way {
  const url = new URL(asked.url)
  if (asked.method !== 'GET' || url.origin !== origin) return 'network'
  if (asked.mode === 'navigate') return isPage(url.pathname) ? 'page' : 'network'
  if (url.pathname.startsWith('/assets/')) return 'file'
  return url.pathname !== '/' && files.has(url.pathname) ? 'file' : 'network'
}

function isPage(path: string): boolean {
  return path === '/' || path.startsWith('/c/')
}
