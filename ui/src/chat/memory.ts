/**
 * What this browser remembers: the key, parameters, the model of each chat, and what was typed and not sent.
 */
import { isFields } from '../protocol/frames'
import type { Params } from './model'
import type { Page, Shelf } from './page'

const KEY = 'outcrop.key'
const PARAMS = 'outcrop.params'
const MODELS = 'outcrop.models'
const DRAFT = 'outcrop.draft.'
const UNSENT = 'outcrop.unsent.'
const NEW_CHAT = 'new'
const MOST_MODELS = 200

/** A question that was sent: its message's ID, and its text. */
export interface Unsent {
  id: string
  text: string
}

/** Remembers. Nothing in here is needed: where the browser forbids it, the page begins anew each time. */
export class Memory {
  readonly #local: Shelf
  readonly #session: Shelf
  #key: string | null

  constructor(page: Page) {
    this.#local = page.local
    this.#session = page.session
    this.#key = this.#session.read(KEY)
  }

  /** The person's key, for as long as this tab is open. */
  get key(): string | null {
    return this.#key
  }

  set key(key: string | null) {
    this.#key = key
    this.#session.write(KEY, key)
  }

  get params(): Params {
    const kept = readFields(this.#local, PARAMS)
    return { ...(kept as Partial<Params>), stream: kept.stream !== false }
  }

  set params(params: Params) {
    this.#local.write(PARAMS, JSON.stringify(params))
  }

  /** Gives the model that was chosen for a chat, or (null) the one that was chosen last; "" where none was. */
  modelOf(chatId: string | null): string {
    const model = readFields(this.#local, MODELS)[chatId ?? NEW_CHAT]
    return typeof model === 'string' ? model : ''
  }

  /** Remembers a chat's model, also for the next new chat. */
  setModel(chatId: string, model: string): void {
    const { [chatId]: _, [NEW_CHAT]: __, ...others } = readFields(this.#local, MODELS)
    const kept = Object.entries(others).slice(1 - MOST_MODELS)
    this.#local.write(
      MODELS,
      JSON.stringify({ ...Object.fromEntries(kept), [chatId]: model, [NEW_CHAT]: model }),
    )
  }

  /** Gives what was typed in a chat and not sent; null stands for a chat that has no address yet. */
  draft(chatId: string | null): string {
    return this.#session.read(DRAFT + (chatId ?? NEW_CHAT)) ?? ''
  }

  setDraft(chatId: string | null, text: string): void {
    this.#session.write(DRAFT + (chatId ?? NEW_CHAT), text === '' ? null : text)
  }

  /** Gives a draft, and forgets it. */
  takeDraft(chatId: string | null): string {
    const draft = this.draft(chatId)
    this.setDraft(chatId, '')
    return draft
  }

  /** Puts texts before a draft, each a paragraph of its own, and none twice. */
  addToDraft(chatId: string | null, ...texts: readonly string[]): void {
    const all = new Set([...texts, this.draft(chatId)].filter((text) => text.trim() !== ''))
    this.setDraft(chatId, [...all].join('\n\n'))
  }

  /** Gives what was sent in a chat and not taken by the server before the page was left; null where there is nothing. */
  unsent(chatId: string): Unsent | null {
    const { id, text } = readFields(this.#session, UNSENT + chatId)
    return typeof id === 'string' && typeof text === 'string' ? { id, text } : null
  }

  setUnsent(chatId: string, unsent: Unsent | null): void {
    this.#session.write(UNSENT + chatId, unsent && JSON.stringify(unsent))
  }
}

function readFields(shelf: Shelf, name: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(shelf.read(name) ?? '{}')
    return isFields(value) ? value : {}
  } catch {
    return {}
  }
}
