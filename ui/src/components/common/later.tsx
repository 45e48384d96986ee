/**
 * Parts of the page that are not needed to draw it first: they are loaded right after.
 */
import { type ComponentType, lazy, type ReactNode, Suspense, useState } from 'react'

const loaders: (() => Promise<unknown>)[] = []

/** Makes a component of one that is loaded later; until it is there, `Meanwhile` is drawn, or nothing. */
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
  const Loading = lazy(async () => ({ default: await keep().catch(() => Meanwhile) }))
  return function Later(props: P) {
    // What is there is drawn at once, with nothing before it; and what was drawn is not exchanged.
    const [Part] = useState<ComponentType<P>>(() => loaded ?? Loading)
    return (
      <Suspense fallback={<Meanwhile {...props} />}>
        <Part {...props} />
      </Suspense>
    )
  }
}

/** Loads all parts before they are needed, once the page is drawn. Where that fails, drawing one tries again, and
 * after that does without. */
export async function loadLaterParts(): Promise<void> {
  await Promise.allSettled(loaders.map((load) => load()))
}
