/**
 * From Markdown to tokens: marked's lexer with mathematics, with limits that keep every text cheap.
 *
 * The lexer works in two steps, blocks and then the text in them. They are taken apart here, so that a text that
 * grows need not be read again where it did not change. Nothing here makes HTML.
 */
import { type Token as AnyToken, Lexer, type Links, Marked } from 'marked'
import { type MathMode, makeMathExtensions } from './math'
import { endsBareLink, mendInline } from './mend'
import { asTokens, plainParagraph, plainText, type Token } from './tokens'

const MAX_INLINE_CHARACTERS = 20_000
const MAX_MARKS = 1500
const MAX_NAMELESS_RUN = /\S{2000}/
const MARKS = /[*_`[\]<~$&!\\@]/g
/** Deeper nesting than any person can read: marked calls itself once for each level. */
const TOO_DEEP = /^(?:[ \t]*(?:>|(?:[-*+]|\d{1,9}[.)])(?=[ \t]))){24}|^[ \t]{100,}(?:[-*+>]|\d{1,9}[.)])/gm
const MAX_DEEP_LINES = 20

const mode: MathMode = { growing: null }
const options = new Marked({ gfm: true, extensions: makeMathExtensions(mode) })
options.use({
  tokenizer: {
    // "[^1]: text" is a footnote, which marked doesn't know: as a definition it would vanish from the page.
    def(src: string) {
      return /^ {0,3}\[\^/.test(src) ? undefined : false
    },
  },
})

/** The definitions of reference links, `[name]: address`, by name. */
export type LinkTable = Links

/** What was read in a text, by the text: what is in here need not be read again. */
export type InlineCache = Map<string, readonly AnyToken[]>

/** One step of reading a text that still grows. */
export interface TailRequest {
  /** The text from the first block that is not finished. */
  text: string
  /** Definitions before it. */
  links: LinkTable
  before: InlineCache
}

/** The blocks of the tail, and what to give the next step. */
export interface TailResult {
  tokens: readonly Token[]
  cache: InlineCache
  links: LinkTable
}

/** Reads a whole text, which must not have carriage returns. Never throws; what is nested beyond reason is shown as it is. */
export function lexWhole(text: string): readonly Token[] {
  const cut = findTooDeep(text)
  const tokens = guarded(text.slice(0, cut), (source) => {
    const lexer = new Lexer(options.defaults)
    lexer.blockTokens(source, lexer.tokens)
    readInlines(lexer, new Map(), undefined)
    return asTokens(lexer.tokens)
  })
  return withRest(tokens, text.slice(cut))
}

/** Reads the unfinished end of a text; half-written markup at its very end is shown as if it were closed. */
export function lexTail(request: TailRequest): TailResult {
  const cut = findTooDeep(request.text)
  const cache: InlineCache = new Map()
  let links = request.links
  const tokens = guarded(request.text.slice(0, cut), (source) => {
    const isWhole = cut === request.text.length
    const lexer = new Lexer(options.defaults)
    Object.assign(lexer.tokens.links, request.links)
    mode.growing = isWhole ? source : null
    lexer.blockTokens(source, lexer.tokens)
    mode.growing = null
    links = lexer.tokens.links
    const end = isWhole ? lastInline(asTokens(lexer.tokens)) : undefined
    readInlines(lexer, cache, { end, before: sameLinks(links, request.links) ? request.before : new Map() })
    return asTokens(lexer.tokens)
  })
  mode.growing = null
  return { tokens: withRest(tokens, request.text.slice(cut)), cache, links }
}

function withRest(tokens: readonly Token[], rest: string): readonly Token[] {
  return rest ? [...tokens, plainParagraph(rest)] : tokens
}

function guarded(source: string, lex: (source: string) => readonly Token[]): readonly Token[] {
  try {
    return source ? lex(source) : []
  } catch {
    // The stack is too small for it, or marked met a text that it can't read: people still see all of it.
    return [plainParagraph(source)]
  }
}

interface TailInlines {
  end: unknown
  before: InlineCache
}

function readInlines(lexer: Lexer, cache: InlineCache, tail: TailInlines | undefined): void {
  for (const { src, tokens } of lexer.inlineQueue) {
    const isEnd = tail !== undefined && tokens === tail.end
    const known = isEnd ? undefined : (cache.get(src) ?? tail?.before.get(src))
    if (known) {
      cache.set(src, known)
      tokens.push(...known)
      continue
    }
    if (isEnd) {
      tokens.push(...readEnd(lexer, mendInline(src)))
      continue
    }
    const read = readInline(lexer, src)
    tokens.push(...read)
    if (tail) cache.set(src, read)
  }
  lexer.inlineQueue = []
}

function readEnd(lexer: Lexer, src: string): AnyToken[] {
  mode.growing = src
  const read = endsBareLink(readInline(lexer, src))
  mode.growing = null
  return read
}

function readInline(lexer: Lexer, src: string): AnyToken[] {
  if (isHeavy(src)) return [plainText(src)]
  lexer.state.inRawBlock = false
  return lexer.inlineTokens(src, [])
}

/** Some of marked's patterns take quadratic time; texts that people read are far from these limits. */
function isHeavy(src: string): boolean {
  if (src.length < MAX_MARKS) return false
  if (src.length > MAX_INLINE_CHARACTERS || MAX_NAMELESS_RUN.test(src)) return true
  return (src.match(MARKS)?.length ?? 0) > MAX_MARKS
}

/** The list of tokens that the end of the text is in; undefined where the text ends in something else than text. */
function lastInline(tokens: readonly Token[]): unknown {
  const last = tokens.at(-1)
  switch (last?.type) {
    case 'list':
      return lastInline(asTokens(last.items.at(-1)?.tokens))
    case 'blockquote':
      return lastInline(asTokens(last.tokens))
    case 'table':
      return (last.rows.at(-1) ?? last.header).at(-1)?.tokens
    case 'paragraph':
    case 'text':
    case 'heading':
      return last.tokens
    default:
      return undefined
  }
}

function sameLinks(one: LinkTable, other: LinkTable): boolean {
  return Object.keys(one).length === Object.keys(other).length
}

/** Where a line begins that is nested beyond reason, outside of fenced code; the length of the text if nowhere. */
function findTooDeep(text: string): number {
  TOO_DEEP.lastIndex = 0
  for (let tries = 0; tries < MAX_DEEP_LINES; tries += 1) {
    const match = TOO_DEEP.exec(text)
    if (!match) return text.length
    if (!endsInFence(text.slice(0, match.index))) return match.index
    TOO_DEEP.lastIndex = match.index + match[0].length
  }
  return text.length
}

function endsInFence(text: string): boolean {
  let fence: string | undefined
  for (const [, marks = '', rest = ''] of text.matchAll(/^ {0,3}(`{3,}|~{3,})(.*)$/gm)) {
    if (fence === undefined) fence = marks[0] === '`' && rest.includes('`') ? undefined : marks
    else if (marks.startsWith(fence) && !rest.trim()) fence = undefined
  }
  return fence !== undefined
}
