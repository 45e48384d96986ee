/**
 * The routes that this page uses, as functions (docs/history.md; GET /api/openapi.json describes them all).
 */
import type { Http } from './http'
import { readJson } from './http'
import type { BranchJson, ConversationJson, FoundPageJson, ListedModel, PageJson } from './schema'

/** What `/healthz` says. */
export interface HealthJson {
  version: string
  region: string
  upstream: 'bedrock' | 'emulator'
  notice?: string
  key_required: boolean
}

/** Which end of which branch to read. `through` names any message of it; `limit` is how many messages, 50 without. */
export interface BranchQuery {
  leaf?: string
  through?: string
  before?: string
  limit?: '1'
}

/** The end of a branch, and the ETag of that copy. */
export interface ReadBranch {
  branch: BranchJson
  etag: string | null
}

/** A file may take its time. */
const FILE_TIMEOUT_MS = 600_000

/** One thing to change of a conversation. */
export type Change = { title: string } | { pinned: boolean } | { leafId: string }

/** Asks the server. All of it throws `ApiFailure`. */
export class Api {
  readonly #http: Http

  constructor(http: Http) {
    this.#http = http
  }

  health(): Promise<HealthJson> {
    return this.#http.json('/healthz')
  }

  async models(): Promise<ListedModel[]> {
    return (await this.#http.json<{ models: ListedModel[] }>('/api/models')).models
  }

  list(show: 'all' | 'pinned', cursor: string | null): Promise<PageJson> {
    return this.#http.json(`/api/conversations${query({ show, limit: '50', cursor })}`)
  }

  search(words: string, cursor: string | null): Promise<FoundPageJson> {
    return this.#http.json(`/api/search${query({ q: words, cursor })}`)
  }

  /** Reads a branch; null where the copy with this ETag is still true. */
  async open(chatId: string, wanted: BranchQuery, etag: string | null = null): Promise<ReadBranch | null> {
    const answer = await this.#http.ask(`${pathOf(chatId)}${query({ ...wanted })}`, { etag })
    if (answer.status === 304) return null
    return { branch: await readJson<BranchJson>(answer), etag: answer.headers.get('etag') }
  }

  change(chatId: string, change: Change): Promise<ConversationJson> {
    return this.#http.json(pathOf(chatId), { method: 'PATCH', body: change })
  }

  remove(chatId: string): Promise<ConversationJson> {
    return this.#http.json(pathOf(chatId), { method: 'DELETE' })
  }

  restore(chatId: string): Promise<ConversationJson> {
    return this.#http.json(`${pathOf(chatId)}/restore`, { method: 'POST' })
  }

  async export(chatId: string, format: 'json' | 'markdown'): Promise<Blob> {
    const path = `${pathOf(chatId)}/export${query({ format })}`
    return (await this.#http.ask(path, { timeoutMs: FILE_TIMEOUT_MS })).blob()
  }

  /** Puts in what `export` gave as JSON. */
  import(text: string): Promise<ConversationJson> {
    const call = { method: 'POST', body: text, timeoutMs: FILE_TIMEOUT_MS } as const
    return this.#http.json('/api/conversations/import', call)
  }
}

function pathOf(chatId: string): string {
  return `/api/conversations/${encodeURIComponent(chatId)}`
}

function query(fields: Record<string, string | null | undefined>): string {
  const given = Object.entries(fields).filter(
    (field): field is [string, string] => typeof field[1] === 'string',
  )
  return given.length === 0 ? '' : `?${new URLSearchParams(given)}`
}
