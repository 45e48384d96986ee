/**
 * Mathematics in Markdown: `$…$`, `$$…$$`, `\(…\)` and `\[…\]`, as extensions of marked's grammar.
 *
 * A dollar sign is mostly money. `$…$` is a formula only if it begins and ends with something that is no space, and
 * no digit or word follows: "$5 and $6" has none. What is longer than a formula can be stays text, which also bounds
 * the search.
 */
import type { TokenizerExtension } from 'marked'
import type { MathToken } from './tokens'

const MAX_INLINE_CHARACTERS = 1000
const MAX_BLOCK_CHARACTERS = 8000
const MAX_HALF_CHARACTERS = 240

const BLOCK_STARTS = /\n {0,3}(?:\$\$|\\\[)/g
const MAX_TRIES = 30
const BLOCK_OPENER = /^ {0,3}(\$\$|\\\[)/
const BLANK_LINE = /\n[ \t]*\n/
const REST_OF_LINE = /^[ \t]*(?:\n|$)/
/** "the $n$th" is written often; "$HOME/$PATH" is no formula. */
const AFTER_DOLLAR = /^(?:(?:th|st|nd|rd|s)\b|[^\p{L}\p{N}]|$)/u
/** "$5, or 6$": an amount, and words after it. */
const PRICE = /^\d[\d.,]*[^\\^_={}]*[a-z]{2}[^\\^_={}]*$/i
/** Money in a text that is still being written; a lone variable such as `$x` waits for its end. */
const HALF_DOLLAR = /^\$(?![\d\s$])[^$`\n]*$/

/** Where the extensions are told what is read now. */
export interface MathMode {
  /** The text that is still being written, at whose end a formula may be cut off; null where the text is whole. */
  growing: string | null
}

/** Makes the two extensions. The caller keeps `mode` true while it lexes. */
export function makeMathExtensions(mode: MathMode): TokenizerExtension[] {
  return [
    {
      name: 'math',
      level: 'block',
      start: (src) => findBlock(src, mode),
      tokenizer: (src) => readBlock(src, mode),
    },
    {
      name: 'math',
      level: 'inline',
      start: (src) => {
        const at = src.indexOf('$')
        return at < 0 ? undefined : at
      },
      tokenizer: (src) => readInline(src, mode),
    },
  ]
}

/**
 * Finds the formula that ends the paragraph at the beginning of `src`. Only a real one: each place that is named makes
 * marked read the rest of the paragraph again.
 */
function findBlock(src: string, mode: MathMode): number | undefined {
  const end = src.indexOf('\n\n')
  const paragraph = end < 0 ? src : src.slice(0, end)
  BLOCK_STARTS.lastIndex = 0
  for (let tries = 0; tries < MAX_TRIES; tries += 1) {
    const match = BLOCK_STARTS.exec(paragraph)
    if (!match) return undefined
    if (readBlock(src.slice(match.index + 1), mode)) return match.index + 1
  }
  return undefined
}

function readBlock(src: string, mode: MathMode): MathToken | undefined {
  const opener = BLOCK_OPENER.exec(src)
  if (!opener?.[1]) return undefined
  const from = opener[0].length
  const close = opener[1] === '$$' ? '$$' : '\\]'
  const window = src.slice(from, from + MAX_BLOCK_CHARACTERS)
  const end = window.indexOf(close)
  if (end < 0) {
    const isHalf = isCut(src, mode, MAX_BLOCK_CHARACTERS) && !BLANK_LINE.test(window)
    return isHalf ? { type: 'math', raw: src, text: window.trim(), display: true, half: true } : undefined
  }
  const text = window.slice(0, end)
  const rest = REST_OF_LINE.exec(src.slice(from + end + 2, from + end + 200))
  if (!rest || !text.trim() || BLANK_LINE.test(text)) return undefined
  const raw = src.slice(0, from + end + 2 + rest[0].length)
  return { type: 'math', raw, text: text.trim(), display: true, half: false }
}

function readInline(src: string, mode: MathMode): MathToken | undefined {
  if (src.startsWith('$$')) return readBetween(src, '$$', mode, true)
  if (src.startsWith('\\(')) return readBetween(src, '\\)', mode, false)
  if (src.startsWith('\\[')) return readBetween(src, '\\]', mode, true)
  return src.startsWith('$') ? readDollar(src, mode) : undefined
}

function readBetween(src: string, close: string, mode: MathMode, display: boolean): MathToken | undefined {
  const window = src.slice(2, 2 + MAX_INLINE_CHARACTERS)
  const end = window.indexOf(close)
  const text = (end < 0 ? window : window.slice(0, end)).trim()
  if (end < 0) {
    const isHalf = isCut(src, mode, MAX_HALF_CHARACTERS) && text !== ''
    return isHalf ? { type: 'math', raw: src, text, display: false, half: true } : undefined
  }
  if (!text) return undefined
  return { type: 'math', raw: src.slice(0, end + 4), text, display, half: false }
}

function readDollar(src: string, mode: MathMode): MathToken | undefined {
  const window = src.slice(1, 1 + MAX_INLINE_CHARACTERS)
  if (!window || /^\s/.test(window)) return undefined
  const end = findDollar(window)
  if (end > 0) {
    const follows = src.slice(end + 2, end + 6)
    if (/\s/.test(window[end - 1] ?? ' ') || !AFTER_DOLLAR.test(follows)) return undefined
    if (PRICE.test(window.slice(0, end))) return undefined
    return {
      type: 'math',
      raw: src.slice(0, end + 2),
      text: window.slice(0, end),
      display: false,
      half: false,
    }
  }
  if (!isCut(src, mode, MAX_HALF_CHARACTERS) || !HALF_DOLLAR.test(src)) return undefined
  return { type: 'math', raw: src, text: window, display: false, half: true }
}

function isCut(src: string, mode: MathMode, limit: number): boolean {
  return mode.growing !== null && src.length <= limit && mode.growing.endsWith(src)
}

/** The next dollar sign that is not escaped, before a code span or an empty line; -1 if there is none. */
function findDollar(window: string): number {
  for (let at = 0; at < window.length; at += 1) {
    const char = window[at]
    if (char === '$') return at
    if (char === '`' || (char === '\n' && window[at + 1] === '\n')) return -1
    if (char === '\\') at += 1
  }
  return -1
}
