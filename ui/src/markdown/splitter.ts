/**
 * A text that grows, as a list of blocks.
 *
 * What is finished is read once. Only the last two blocks are read again with every piece: the one that grows, and the
 * one before it, which the next lines can still change. (Holding back one only gave wrong blocks in a third of random
 * texts.) A definition of a link acts at a distance, so the whole text is read once more when it is complete.
 */

import { extendFence, type OpenFence, openFence } from './fence'
import { type InlineCache, type LinkTable, lexTail, lexWhole } from './grammar'
import { countHeldBack } from './mend'
import { plainParagraph, type Token } from './tokens'

/** One block. `key` is its place in the text, and so stable; `live` while it may change. Same object, same content. */
export interface Block {
  key: string
  token: Token
  live: boolean
}

const HELD_BACK_BLOCKS = 2
/** Beyond this a tail is read again only when it has grown by a part of itself: quadratic work is bounded that way. */
const PATIENT_FROM_CHARACTERS = 24_000
const PATIENCE = 16

const NO_LINKS: LinkTable = {}

/** Splits one text. Feed it the whole text so far, again and again. */
export class BlockSplitter {
  #text = ''
  #isOpen = true
  #blocks: readonly Block[] = []
  #frozen: Block[] = []
  #frozenEnd = 0
  #links: LinkTable = NO_LINKS
  #cache: InlineCache = new Map()
  #fence: OpenFence | null = null
  /** How much of the text the tail that is shown was read from. */
  #readEnd = 0
  #tableSize = 0

  /**
   * Gives the blocks of the text so far.
   *
   * A text that does not begin with the one before starts anew. The list and its blocks are the same objects as the
   * last time where nothing changed; don't modify them.
   *
   * @param open Whether more may follow. The result for a closed text is that of reading it as a whole.
   */
  feed(text: string, open: boolean): readonly Block[] {
    const clean = normalise(text, open)
    if (clean === this.#text && open === this.#isOpen) return this.#blocks
    if (!open) return this.#finish(clean)
    if (!this.#isOpen || !clean.startsWith(this.#text)) this.#restart()
    this.#text = clean
    const held = this.#fence ? null : this.#waitForMore(clean)
    this.#blocks = held ?? this.#read(clean)
    return this.#blocks
  }

  #restart(): void {
    this.#isOpen = true
    this.#blocks = []
    this.#frozen = []
    this.#frozenEnd = 0
    this.#links = NO_LINKS
    this.#cache = new Map()
    this.#fence = null
    this.#readEnd = 0
    this.#tableSize = 0
  }

  #finish(text: string): readonly Block[] {
    const tokens = lexWhole(text)
    const isLinked = tokens.some((token) => token.type === 'def')
    const known = new Map(this.#blocks.map((block) => [block.key, block]))
    this.#restart()
    this.#isOpen = false
    this.#text = text
    this.#blocks = placeBlocks(tokens, 0, tokens.length).map((block) => {
      const before = known.get(block.key)
      // A definition anywhere can have made a link of any brackets.
      const isSame = before && !before.live && before.token.raw === block.token.raw
      return isSame && !(isLinked && before.token.raw.includes('[')) ? before : block
    })
    return this.#blocks
  }

  /** Shows the new end of a very long tail as it is, until it is worth to read all of it again. */
  #waitForMore(text: string): readonly Block[] | null {
    const tail = text.length - this.#frozenEnd
    const fresh = text.length - this.#readEnd
    if (tail < PATIENT_FROM_CHARACTERS || fresh * PATIENCE > tail || this.#readEnd <= this.#frozenEnd)
      return null
    const shown = this.#blocks.filter((block) => block.key !== 'rest')
    return [...shown, { key: 'rest', token: plainParagraph(text.slice(this.#readEnd)), live: true }]
  }

  #read(text: string): readonly Block[] {
    const longer = this.#fence && extendFence(this.#fence, text)
    if (longer) {
      this.#fence = longer
      const last: Block = { key: keyOf(longer.start), token: longer.token, live: true }
      return [...this.#blocks.slice(0, -1), last]
    }
    this.#fence = null
    const tail = text.slice(this.#frozenEnd)
    const result = lexTail({
      text: tail.slice(0, tail.length - countHeldBack(tail)),
      links: this.#links,
      before: this.#cache,
    })
    this.#cache = result.cache
    this.#readEnd = text.length
    return this.#settle(text, result.tokens, result.links)
  }

  #settle(text: string, tokens: readonly Token[], links: LinkTable): readonly Block[] {
    const finished = isFaithful(tokens, text, this.#frozenEnd) ? countFinished(tokens) : 0
    const isSameTable = sizeOf(links) === this.#tableSize
    this.#tableSize = sizeOf(links)
    const tail = placeBlocks(tokens, this.#frozenEnd, finished)
    if (finished > 0) {
      this.#frozen = [...this.#frozen, ...tail.filter((block) => !block.live)]
      this.#frozenEnd += lengthOf(tokens.slice(0, finished))
      this.#links = links
    }
    const live = tail.filter((block) => block.live).map((block) => (isSameTable ? this.#keep(block) : block))
    const last = live.at(-1)
    this.#fence = last ? openFence(last.token, Number(last.key.slice(1)), text) : null
    if (last && this.#fence) live.splice(-1, 1, { ...last, token: this.#fence.token })
    return [...this.#frozen, ...live]
  }

  /** The block that is on the page already, if it has the same content, so that it is not drawn again. */
  #keep(block: Block): Block {
    const before = this.#blocks.at(-2)
    const isSame = before?.key === block.key && before.live && before.token.raw === block.token.raw
    // The last one was drawn with its half-written end closed.
    return isSame && before.token.type === block.token.type ? before : block
  }
}

function keyOf(place: number): string {
  return `b${place}`
}

/** Gives blocks to tokens, spaces left out, the first `finished` tokens as finished ones. */
function placeBlocks(tokens: readonly Token[], start: number, finished: number): Block[] {
  const blocks: Block[] = []
  let place = start
  tokens.forEach((token, index) => {
    if (token.type !== 'space') blocks.push({ key: keyOf(place), token, live: index >= finished })
    place += token.raw.length
  })
  return blocks
}

/** Whether the tokens say the text as it is: where marked changed it on its way, places can't be trusted. */
function isFaithful(tokens: readonly Token[], text: string, start: number): boolean {
  let at = start
  return tokens.every((token) => {
    const isThere = text.startsWith(token.raw, at)
    at += token.raw.length
    return isThere
  })
}

function lengthOf(tokens: readonly Token[]): number {
  return tokens.reduce((sum, token) => sum + token.raw.length, 0)
}

function sizeOf(table: LinkTable): number {
  return Object.keys(table).length
}

/** How many tokens at the beginning nothing can change any more. */
function countFinished(tokens: readonly Token[]): number {
  let held = 0
  for (let index = tokens.length - 1; index >= 0; index -= 1) {
    if (tokens[index]?.type !== 'space') held += 1
    if (held === HELD_BACK_BLOCKS) return index
  }
  return 0
}

function normalise(text: string, open: boolean): string {
  if (!text.includes('\r')) return text
  // The line feed of a pair may still be on its way.
  const whole = open && text.endsWith('\r') ? text.slice(0, -1) : text
  return whole.replace(/\r\n?/g, '\n')
}
