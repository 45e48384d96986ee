/**
 * The end of a text that is still being written: what is half there is shown as if it were whole, or held back for a
 * moment, so that nothing on the page flickers.
 */
import type { Token as AnyToken } from 'marked'
import remend from 'remend'
import { asTokens, plainText } from './tokens'

const MIGHT_BE_HALF = /[*_~`[]/
const REMEND_OPTIONS = {
  linkMode: 'text-only',
  // Ours: mathematics has its own rules, HTML is shown as text, and headings are held back below.
  katex: false,
  htmlTags: false,
  setextHeadings: false,
} as const

/** A last line of nothing but marks: the next characters decide what it is. */
const UNDECIDED_LINE = /(?:^|\n)[ \t>]*(?:[-=*_#~`$|+:]{1,80}|\d{1,9}[.)]?|\\|!?\[)[ \t]*$/
/** The beginning or the end of code: no more characters are needed to know. */
const FENCE_LINE = /(?:^|\n) {0,3}(?:`{3,}|~{3,})$/
/** Marks at the very end of a line which, alone, would open something or nothing. */
const UNDECIDED_END = /(?:(?<=[\s([{'"])[*_~]{1,3}|[`~$\]]|\\[([]?|!\[)$/
/** The head of a table before its second line, which makes it one. */
const TABLE_HEAD = /(?:^|\n)[ \t]*\|[^\n]{0,400}(?:\n[ \t]*\|?[ \t|:-]{0,200})?$/

/**
 * Says how many characters at the end to hold back. It looks at the last lines only.
 *
 * @param text The unfinished end of the text, from the beginning of a block.
 */
export function countHeldBack(text: string): number {
  const end = text.slice(-700)
  if (FENCE_LINE.test(end)) return 0
  const head = TABLE_HEAD.exec(end)
  if (head && startsTable(text, text.length - head[0].length)) return head[0].trimStart().length
  const undecided = UNDECIDED_LINE.exec(end) ?? UNDECIDED_END.exec(end)
  return undecided ? undecided[0].replace(/^\n/, '').length : 0
}

/** Whether the line is the first of its block: a line of a table, further down, has others above it. */
function startsTable(text: string, at: number): boolean {
  const above =
    text
      .slice(Math.max(0, at - 400), at)
      .split('\n')
      .at(-1) ?? ''
  return !above.includes('|')
}

/** Closes what is half open in a text without blocks; gives the text itself where there is nothing to close. */
export function mendInline(src: string): string {
  return MIGHT_BE_HALF.test(src) ? remend(src, REMEND_OPTIONS) : src
}

/** Turns an address at the very end into text: it may not be whole yet, so it can't be followed. */
export function endsBareLink(tokens: AnyToken[]): AnyToken[] {
  const read = asTokens(tokens)
  // A mark after an address is part of it if the address goes on.
  const tail = read.findLastIndex((token) => token.type !== 'text' || /\s/.test(token.raw))
  const last = read[tail]
  if (last?.type === 'link' && last.autolink && !last.raw.endsWith('>')) {
    return tokens.with(tail, { ...plainText(last.raw), escaped: false })
  }
  if (last?.type !== 'strong' && last?.type !== 'em' && last?.type !== 'del') return tokens
  return tokens.with(tail, { ...last, tokens: endsBareLink(last.tokens) })
}
