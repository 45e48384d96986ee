/**
 * Big parts that are loaded when the first answer needs them.
 */
import { useEffect, useSyncExternalStore } from 'react'

/** Something that is loaded once, for all who want it. */
export interface Lazy<T> {
  get(): T | null
  subscribe(onChange: () => void): () => void
  /** Begins to load; harmless when it is there or on its way. After a failure the next call tries again. */
  load(): void
}

/** Makes a value that `load` brings; until then it is null. */
export function makeLazy<T>(load: () => Promise<T>): Lazy<T> {
  let value: T | null = null
  let isLoading = false
  const listeners = new Set<() => void>()
  const settle = (loaded: T | null) => {
    value = loaded
    isLoading = false
    for (const listener of listeners) listener()
  }
  return {
    get: () => value,
    subscribe: (onChange) => {
      listeners.add(onChange)
      return () => listeners.delete(onChange)
    },
    load: () => {
      if (value !== null || isLoading) return
      isLoading = true
      // Without a connection the plain form stays; nobody needs to hear of it.
      load().then(settle, () => settle(null))
    },
  }
}

/** Gives the value once it is there, and null before; loads it if it is wanted. */
export function useLazy<T>(lazy: Lazy<T>, isWanted: boolean): T | null {
  const value = useSyncExternalStore(lazy.subscribe, lazy.get, lazy.get)
  useEffect(() => {
    if (isWanted) lazy.load()
  }, [lazy, isWanted])
  return isWanted ? value : null
}
