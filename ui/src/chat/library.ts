/**
 * The side bar: the list of conversations, searching in them, and taking back a deletion.
 */
import { ApiFailure } from '../api/http'
import { toFoundLine, toLine } from '../api/models'
import { Cell } from './cell'
import type { Core } from './core'
import type { ConversationLine, Library } from './model'

const REFRESH_MS = 250
const SEARCH_MS = 200
const UNDO_MS = 15_000

const EMPTY: Library = {
  load: 'loading',
  pinned: [],
  recent: [],
  hasMore: false,
  search: { text: '', found: [], load: 'idle', hasMore: false },
  undo: null,
}

/** Keeps the list of conversations. */
export class LibraryList {
  readonly cell = new Cell<Library>(EMPTY)
  readonly #core: Core
  #cursor: string | null = null
  /** How many pages of the list are shown. */
  #pages = 1
  /** How many readings of the list were begun, and which of them was taken last. */
  #reads = 0
  #taken = 0
  #searchCursor: string | null = null
  #refreshTimer: ReturnType<typeof setTimeout> | undefined
  #searchTimer: ReturnType<typeof setTimeout> | undefined
  #undoTimer: ReturnType<typeof setTimeout> | undefined

  constructor(core: Core) {
    this.#core = core
  }

  /** Reads the list again, soon: several reasons to do so cost one reading. */
  refreshSoon(): void {
    clearTimeout(this.#refreshTimer)
    this.#refreshTimer = setTimeout(() => void this.refresh(), REFRESH_MS)
  }

  /** Reads the list again, as far as it is shown. Returns whether the server keeps conversations; null where it did not say. */
  async refresh(): Promise<boolean | null> {
    this.#reads += 1
    const reading = this.#reads
    try {
      const [pinned, recent] = await Promise.all([this.#core.api.list('pinned', null), this.#readRecent()])
      if (reading < this.#taken) return true
      this.#taken = reading
      this.#pages = recent.pages
      this.#cursor = recent.cursor
      const { failure: _, ...before } = this.cell.get()
      this.cell.set({
        ...before,
        load: 'ready',
        pinned: pinned.conversations.map(toLine),
        recent: recent.lines,
        hasMore: recent.cursor !== null,
      })
      this.#tellChats()
      return true
    } catch (error) {
      if (error instanceof ApiFailure && error.code === 'nothing_kept') {
        this.cell.patch({ load: 'ready', pinned: [], recent: [], hasMore: false })
        return false
      }
      if (this.cell.get().load !== 'ready')
        this.cell.patch({ load: 'failed', failure: this.#core.explain(error) })
      return null
    }
  }

  /** Reads the next page of what is shown: of what was found, or of the list. */
  async loadMore(): Promise<void> {
    const { search } = this.cell.get()
    if (search.text.trim() === '') await this.#loadMoreRecent()
    else await this.#loadMoreFound(search.text)
  }

  /** Searches, a moment after the last letter. */
  searchFor(text: string): void {
    clearTimeout(this.#searchTimer)
    this.#searchCursor = null
    const isBlank = text.trim() === ''
    const { found } = this.cell.get().search
    this.#patchSearch(
      isBlank
        ? { text, found: [], load: 'idle', hasMore: false }
        : { text, found, load: 'loading', hasMore: false },
    )
    if (!isBlank) this.#searchTimer = setTimeout(() => void this.#loadMoreFound(text), SEARCH_MS)
  }

  /** Finds a line of the list. */
  find(chatId: string): ConversationLine | undefined {
    const { pinned, recent } = this.cell.get()
    return [...pinned, ...recent].find((line) => line.id === chatId)
  }

  /** Offers for a while to take a deletion back; null takes the offer away. */
  offerUndo(line: ConversationLine | null): void {
    clearTimeout(this.#undoTimer)
    this.cell.patch({ undo: line })
    if (line) this.#undoTimer = setTimeout(() => this.cell.patch({ undo: null }), UNDO_MS)
  }

  /** Reads as many pages as are shown. */
  async #readRecent(): Promise<{ lines: ConversationLine[]; cursor: string | null; pages: number }> {
    const { api } = this.#core
    let { conversations, cursor } = await api.list('all', null)
    let lines = unpinned(conversations.map(toLine))
    let pages = 1
    while (cursor !== null && pages < this.#pages) {
      ;({ conversations, cursor } = await api.list('all', cursor))
      lines = join(lines, conversations.map(toLine))
      pages += 1
    }
    return { lines, cursor, pages }
  }

  async #loadMoreRecent(): Promise<void> {
    const cursor = this.#cursor
    if (cursor === null) return
    const page = await this.#core.api.list('all', cursor)
    if (this.#cursor !== cursor) return
    this.#cursor = page.cursor
    this.#pages += 1
    const { recent } = this.cell.get()
    this.cell.patch({
      recent: join(recent, page.conversations.map(toLine)),
      hasMore: page.cursor !== null,
    })
  }

  async #loadMoreFound(text: string): Promise<void> {
    const cursor = this.#searchCursor
    try {
      const page = await this.#core.api.search(text.trim(), cursor)
      const { search } = this.cell.get()
      if (search.text !== text || this.#searchCursor !== cursor) return
      this.#searchCursor = page.cursor
      const found = page.found.map(toFoundLine)
      this.#patchSearch({
        text,
        found: cursor === null ? found : [...search.found, ...found],
        load: 'ready',
        hasMore: page.cursor !== null,
      })
    } catch (error) {
      const { search } = this.cell.get()
      if (search.text !== text || this.#searchCursor !== cursor) return
      const isMore = cursor !== null
      this.#patchSearch({ text, found: isMore ? search.found : [], load: 'failed', hasMore: isMore })
      this.#core.notice.set(this.#core.explain(error))
    }
  }

  #patchSearch(search: Library['search']): void {
    this.cell.patch({ search })
  }

  /** Titles and pins can have been changed elsewhere. */
  #tellChats(): void {
    for (const entry of this.#core.entries.values()) {
      const line = this.find(entry.id)
      if (line) entry.cell.patch({ title: line.title, pinned: line.pinnedAt !== null })
    }
  }
}

/** Adds a page to lines: what changed meanwhile can come twice. */
function join(lines: readonly ConversationLine[], page: readonly ConversationLine[]): ConversationLine[] {
  const known = new Set(lines.map((line) => line.id))
  return [...lines, ...unpinned(page).filter((line) => !known.has(line.id))]
}

function unpinned(lines: readonly ConversationLine[]): ConversationLine[] {
  return lines.filter((line) => line.pinnedAt === null)
}
