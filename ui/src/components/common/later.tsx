/**
 * Parts of the page that are not needed to draw it first: they are loaded right after.
 */
import { type ComponentType, lazy, type ReactNode, Suspense } from 'react'

const loaders: (() => Promise<unknown>)[] = []

/** Makes a component of one that is loaded later; until it is there, `Meanwhile` is drawn, or nothing. */
export function later<P extends object>(
  load: () => Promise<ComponentType<P>>,
  Meanwhile: ComponentType<P> = () => null,
): (props: P) => ReactNode {
  loaders.push(load)
  const Loaded = lazy(async () => ({ default: await load().catch(() => Meanwhile) }))
  return function Later(props: P) {
    return (
      <Suspense fallback={<Meanwhile {...props} />}>
        <Loaded {...props} />
      </Suspense>
    )
  }
}

/** Loads all parts before they are needed, once the page is drawn. Where that fails, drawing one tries again, and
 * after that does without. */
export function loadLaterParts(): void {
  for (const load of loaders) load().catch(() => undefined)
}
