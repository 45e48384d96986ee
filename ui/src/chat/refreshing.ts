/**
 * Keeping what is shown true: after the page was opened, after the connection was away, and when something changed in
 * another tab or on another device.
 */
import { toModelInfo, toServerInfo } from '../api/models'
import { Backoff } from '../connection/backoff'
import type { Columns } from './columns'
import type { Core } from './core'
import type { ChatEntry } from './entry'
import type { LibraryList } from './library'
import type { ConnectionState } from './model'
import type { TabMessage } from './page'
import type { Reading } from './reading'

const FRESH_MS = 1_000

/** Reads something that the page shows around the chats. Returns whether it is there; throws nothing. */
type Read = () => Promise<boolean>

/** Reads again what may have changed. */
export class Refreshing {
  readonly #core: Core
  readonly #columns: Columns
  readonly #library: LibraryList
  readonly #reading: Reading
  #phase: ConnectionState['phase'] = 'idle'
  #wasLive = false
  #refreshedAt = 0
  readonly #pauses = new Backoff()
  #timer: ReturnType<typeof setTimeout> | undefined
  #rounds = 0

  constructor(core: Core, columns: Columns, library: LibraryList, reading: Reading) {
    this.#core = core
    this.#columns = columns
    this.#library = library
    this.#reading = reading
  }

  /** Connects, and reads all that the page shows around the chats. */
  start(): void {
    const { connection, page } = this.#core
    connection.state.subscribe(() => this.#followConnection())
    page.onTold((message) => this.#told(message))
    connection.start()
    void this.refresh()
  }

  /** Stops connecting, and asking. */
  close(): void {
    this.#rounds += 1
    clearTimeout(this.#timer)
    this.#core.connection.close()
  }

  /** Reads what the server is, its models, the list, and the chats on the screen. */
  async refresh(): Promise<void> {
    this.#refreshedAt = Date.now()
    this.#pauses.reset()
    await this.#readAround([() => this.#readModels(), () => this.#readServer()])
    this.#readChats()
  }

  /** A conversation was changed elsewhere. */
  changed(chatId: string): void {
    this.#library.refreshSoon()
    const entry = this.#core.entries.get(chatId)
    if (entry) this.#readAgain(entry)
  }

  /** An answer began or ended here. */
  answered(entry: ChatEntry, what: 'began' | 'ended'): void {
    if (this.#core.keepsNothing(entry)) return
    this.#core.page.tell({ kind: what === 'began' ? 'began' : 'changed', chatId: entry.id })
    this.#library.refreshSoon()
  }

  /** Reads what is around the chats; what fails is read again, ever later, while there is a connection. */
  async #readAround(reads: readonly Read[]): Promise<boolean> {
    clearTimeout(this.#timer)
    this.#rounds += 1
    const round = this.#rounds
    const done = await Promise.all(reads.map((read) => read()))
    const failed = reads.filter((_, place) => !done[place])
    if (failed.length === 0 || round !== this.#rounds) return failed.length === 0
    this.#refreshedAt = 0
    if (this.#phase === 'live') this.#timer = setTimeout(() => void this.#repeat(failed), this.#pauses.next())
    return false
  }

  async #repeat(reads: readonly Read[]): Promise<void> {
    if (await this.#readAround(reads)) this.#readChats()
  }

  #readChats(): void {
    for (const entry of this.#columns.shown) this.#readAgain(entry)
  }

  #told({ chatId }: TabMessage): void {
    this.changed(chatId)
  }

  #readAgain(entry: ChatEntry): void {
    const { load } = entry.cell.get()
    const isThere = load !== 'new' && load !== 'loading' && !entry.isLeaving
    if (isThere && !entry.request && !this.#core.keepsNothing(entry)) void this.#reading.read(entry)
  }

  #followConnection(): void {
    const { phase } = this.#core.connection.state.get()
    const before = this.#phase
    this.#phase = phase
    if (phase !== 'live') clearTimeout(this.#timer)
    if (phase !== 'live' || before === 'live') return
    // Whoever was away was told nothing. What was read a moment before the first connection is true.
    const isRead = this.#columns.shown.every((entry) => entry.cell.get().load !== 'failed')
    const isFresh = !this.#wasLive && isRead && Date.now() - this.#refreshedAt < FRESH_MS
    this.#wasLive = true
    if (!isFresh) void this.refresh()
  }

  async #readServer(): Promise<boolean> {
    const { api, server } = this.#core
    const [health, keeps] = await Promise.all([api.health().catch(() => null), this.#library.refresh()])
    if (health) server.set(toServerInfo(health, keeps ?? server.get()?.keepsConversations ?? true))
    return health !== null && keeps !== null
  }

  async #readModels(): Promise<boolean> {
    const models = await this.#core.api.models().catch(() => null)
    if (!models) return false
    this.#core.models.set(models.map(toModelInfo))
    this.#columns.chooseModels()
    return true
  }
}
