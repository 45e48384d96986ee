/**
 * Parts of the page that are not needed to draw it first: they are loaded right after.
 */
import { type ComponentType, type ReactNode, useEffect, useState } from 'react'

const RETRY_MS = 3000

const loaders: (() => Promise<unknown>)[] = []

/**
 * Makes a component of one that is loaded later. Until it is there, `Meanwhile` is drawn, or nothing; where it can't be
 * loaded, it is tried again for as long as it is wanted.
 */
export function later<P extends object>(
  load: () => Promise<ComponentType<P>>,
  Meanwhile: ComponentType<P> = () => null,
): (props: P) => ReactNode {
  let loaded: ComponentType<P> | null = null
  const keep = async () => {
    loaded = await load()
    return loaded
  }
  loaders.push(keep)
  return function Later(props: P) {
    const [Part, setPart] = useState<ComponentType<P> | null>(() => loaded)
    useEffect(() => (Part ? undefined : insist(keep, (part) => setPart(() => part))), [Part])
    return Part ? <Part {...props} /> : <Meanwhile {...props} />
  }
}

/** Loads until it succeeds, and says so; gives a way to give up. */
function insist<T>(load: () => Promise<T>, onLoaded: (loaded: T) => void): () => void {
  let isWanted = true
  let timer: ReturnType<typeof setTimeout> | undefined
  const attempt = () => {
    load().then(
      (loaded) => isWanted && onLoaded(loaded),
      () => {
        if (isWanted) timer = setTimeout(attempt, RETRY_MS)
      },
    )
  }
  attempt()
  return () => {
    isWanted = false
    clearTimeout(timer)
  }
}

/** Loads all parts before they are needed, once the page is drawn. What fails is tried again when it is drawn. */
export async function loadLaterParts(): Promise<void> {
  await Promise.allSettled(loaders.map((load) => load()))
}
