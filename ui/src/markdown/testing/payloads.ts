/**
 * The hostile texts, for tests: all that is known to have harmed pages that draw what others write.
 */
import payloads from '../hostile.json'

/** One text: as it is, or a part of it that is repeated, with what stands around it. */
interface Payload {
  name: string
  text?: string
  before?: string
  repeat?: string
  times?: number
  after?: string
}

/** A text and what it is called. */
export interface Hostile {
  name: string
  text: string
}

/** Texts up to this length can be cut at every place; the others are there to take long. */
const MAX_CUT_CHARACTERS = 500

function textOf({ text, before = '', repeat = '', times = 0, after = '' }: Payload): string {
  return text ?? before + repeat.repeat(times) + after
}

/** Not every reader of JSON takes halves of characters. */
const HALVES = {
  name: 'halves of characters',
  text: '\ud83d[a](https://example.org/\udc00 "\ud83d")\udfff`\ud800',
}

const all: readonly Hostile[] = [
  ...(payloads as readonly Payload[]).map((one) => ({ name: one.name, text: textOf(one) })),
  HALVES,
]

/** The texts that can be cut at every place. */
export const SHORT = all.filter(({ text }) => text.length <= MAX_CUT_CHARACTERS)

/** The texts that are long, so that the wrong pattern takes minutes for one of them. */
export const LONG = all.filter(({ text }) => text.length > MAX_CUT_CHARACTERS)
