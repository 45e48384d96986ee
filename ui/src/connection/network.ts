/**
 * What the browser knows of the network and of this tab.
 */

/** Tells of the network; tests put another in its place. */
export interface Network {
  isOnline(): boolean
  /** `woke`: the tab became visible, or came back from the browser's cache. Gives the way to stop listening. */
  listen(on: { online(): void; offline(): void; woke(): void }): () => void
}

/** The network as this browser sees it. */
export const browserNetwork: Network = {
  isOnline: () => globalThis.navigator?.onLine !== false,
  listen(on) {
    if (typeof window === 'undefined') return () => {}
    const stop = new AbortController()
    const { signal } = stop
    window.addEventListener('online', () => on.online(), { signal })
    window.addEventListener('offline', () => on.offline(), { signal })
    window.addEventListener('pageshow', () => on.woke(), { signal })
    document.addEventListener(
      'visibilitychange',
      () => {
        if (document.visibilityState === 'visible') on.woke()
      },
      { signal },
    )
    return () => stop.abort()
  },
}
