/**
 * The parts of a parsed answer: what marked gives, and the mathematics that we add.
 */
import type { Token as AnyToken, MarkedToken, Tokens } from 'marked'

/** A formula; `display` stands on its own line. `half` is still being written: its source is shown. */
export interface MathToken {
  type: 'math'
  raw: string
  text: string
  display: boolean
  half: boolean
}

/** One node of a parsed answer. The switch over `type` is exhaustive. */
export type Token = MarkedToken | MathToken

/** Takes marked's tokens as ours: the grammar has no extension beside mathematics, so nothing else can be in there. */
export function asTokens(tokens: readonly AnyToken[] | undefined): readonly Token[] {
  return (tokens ?? []) as readonly Token[]
}

/** Gives the text as it is, as one paragraph without markup. */
export function plainParagraph(raw: string): Tokens.Paragraph {
  return { type: 'paragraph', raw, text: raw, tokens: [plainText(raw)] }
}

/** Gives the text as it is: no reference in it is resolved. */
export function plainText(raw: string): Tokens.Text {
  return { type: 'text', raw, text: raw, escaped: true }
}
