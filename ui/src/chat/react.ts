/**
 * The store, for React components.
 */
import { createContext, createElement, type ReactNode, use, useSyncExternalStore } from 'react'
import type { ChatStore, Readable } from './model'

const StoreContext = createContext<ChatStore | null>(null)

/** Gives the store to all components below. */
export function StoreProvider({ store, children }: { store: ChatStore; children: ReactNode }): ReactNode {
  return createElement(StoreContext, { value: store }, children)
}

/** Gives the page's store. Throws outside of a `StoreProvider`. */
export function useStore(): ChatStore {
  const store = use(StoreContext)
  if (!store) throw new Error('there is no StoreProvider above this component')
  return store
}

/** Gives a value as it is now, and draws the component anew when it changes. */
export function useReadable<T>(readable: Readable<T>): T {
  return useSyncExternalStore(readable.subscribe, readable.get)
}
