/**
 * Several values of the store at once, as many as there are columns.
 */
import { useCallback, useRef, useSyncExternalStore } from 'react'
import type { Readable } from '../../chat/model'

/** Gives values as they are now, and draws the component anew when one of them changes. */
export function useReadables<T>(readables: readonly Readable<T>[]): readonly T[] {
  const last = useRef<readonly T[]>([])
  const known = useRef(readables)
  const isSame = same(known.current, readables)
  if (!isSame) known.current = readables
  const sources = known.current
  const subscribe = useCallback(
    (onChange: () => void) => {
      const leave = sources.map((readable) => readable.subscribe(onChange))
      return () => {
        for (const each of leave) each()
      }
    },
    [sources],
  )
  const get = () => {
    const now = sources.map((readable) => readable.get())
    if (!same(last.current, now)) last.current = now
    return last.current
  }
  return useSyncExternalStore(subscribe, get)
}

function same(left: readonly unknown[], right: readonly unknown[]): boolean {
  return left.length === right.length && left.every((each, index) => Object.is(each, right[index]))
}
