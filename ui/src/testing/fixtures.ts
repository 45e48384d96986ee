/**
 * The answers that the server's own code wrote for these tests (scripts/page_fixtures.py).
 */
import type { MessageJson } from '../api/schema'
import type { Part } from '../protocol/frames'

/** One answer: its parts as they are streamed, and what is kept of it. */
export interface Fixture {
  parts: Part[]
  kept: Pick<MessageJson, 'parts' | 'metadata' | 'state'>
}

const files = import.meta.glob<Fixture>('../protocol/fixtures/*.json', { eager: true, import: 'default' })

/** All answers, by name. */
export const FIXTURES: readonly [string, Fixture][] = Object.entries(files).map(([path, fixture]) => [
  path.slice(path.lastIndexOf('/') + 1, -'.json'.length),
  fixture,
])

/** Gives the answer of a name. */
export function fixture(name: string): Fixture {
  const found = FIXTURES.find(([each]) => each === name)
  if (!found) throw new Error(`there is no fixture ${name}`)
  return found[1]
}
