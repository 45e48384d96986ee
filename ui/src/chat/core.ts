/**
 * What the parts of the store share: the page, the server, the connection, and the chats that are open.
 */
import type { Api } from '../api/api'
import { ApiFailure } from '../api/http'
import type { Connection } from '../connection/connection'
import { Cell } from './cell'
import type { ChatEntry } from './entry'
import type { Memory } from './memory'
import type { ModelInfo, Params, Resuming, ServerInfo } from './model'
import type { Page } from './page'

/** Says a failure in words, from its code and the server's own sentence. */
export type Explain = (code: string, message: string) => string

/** Holds what the parts of the store share. */
export class Core {
  readonly entries = new Map<string, ChatEntry>()
  readonly resuming = new Cell<Resuming | null>(null)
  readonly server = new Cell<ServerInfo | null>(null)
  readonly models = new Cell<readonly ModelInfo[]>([])
  readonly params = new Cell<Params>({ stream: true })
  readonly notice = new Cell<string | null>(null)
  readonly api: Api
  readonly page: Page
  readonly memory: Memory
  readonly connection: Connection
  readonly #explain: Explain

  constructor(api: Api, page: Page, memory: Memory, connection: Connection, explain: Explain) {
    this.api = api
    this.page = page
    this.memory = memory
    this.connection = connection
    this.#explain = explain
  }

  /** Says in one sentence why something failed. */
  explain(error: unknown): string {
    if (error instanceof ApiFailure) return this.#explain(error.code, error.message)
    return this.#explain('internal', String(error))
  }

  /** Does something for the person; where it fails, the notice says why. Returns whether it was done. */
  async attempt(work: () => Promise<void>): Promise<boolean> {
    try {
      await work()
      return true
    } catch (error) {
      this.notice.set(this.explain(error))
      return false
    }
  }

  /** Tells whether the server keeps nothing of a chat, so that each question must bring all that was said. */
  keepsNothing(entry: ChatEntry): boolean {
    return entry.cell.get().temporary || this.server.get()?.keepsConversations === false
  }
}
