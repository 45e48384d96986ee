/**
 * A store in memory: for tests of what is drawn, and for looking at it. It does little by itself; `calls` says what it
 * was asked to do, and the cells take whatever a test wants to show.
 */
import { Cell } from '../../chat/cell'
import type {
  Chat,
  ChatMessage,
  ChatStore,
  ConnectionState,
  Library,
  ModelInfo,
  Params,
  Resuming,
  ServerInfo,
} from '../../chat/model'
import { MODELS, makeLibrary, makeServer } from './samples'

/** One call of the store: its name, then its arguments. */
export type Call = readonly [name: string, ...args: unknown[]]

/** The chat that a new fake store shows. */
export const CHAT_ID = 'c1'

/** Holds everything that a page shows. */
export class FakeStore implements ChatStore {
  readonly calls: Call[] = []
  readonly connection = new Cell<ConnectionState>({ phase: 'live' })
  readonly resuming = new Cell<Resuming | null>(null)
  readonly server = new Cell<ServerInfo | null>(makeServer())
  readonly models = new Cell<readonly ModelInfo[]>(MODELS)
  readonly library = new Cell<Library>(makeLibrary())
  readonly columns = new Cell<readonly string[]>([CHAT_ID])
  readonly params = new Cell<Params>({ stream: true })
  readonly notice = new Cell<string | null>(null)
  readonly #chats = new Map<string, Cell<Chat>>()
  readonly #messages = new Map<string, Cell<ChatMessage | null>>()
  readonly #drafts = new Map<string, string>()

  chat(chatId: string): Cell<Chat> {
    return found(this.#chats, chatId, () => new Cell(makeChat(chatId)))
  }

  message(chatId: string, messageId: string): Cell<ChatMessage | null> {
    return found(this.#messages, `${chatId} ${messageId}`, () => new Cell<ChatMessage | null>(null))
  }

  /** Shows messages in a chat; the last one is under way if its state says so. */
  show(messages: readonly ChatMessage[], chatId = CHAT_ID): void {
    for (const message of messages) this.message(chatId, message.id).set(message)
    const last = messages.at(-1)
    const isRunning = last !== undefined && ['sending', 'queued', 'running'].includes(last.state)
    this.chat(chatId).patch({
      load: 'ready',
      messageIds: messages.map((message) => message.id),
      runningId: isRunning ? last.id : null,
    })
  }

  enterKey = this.#told('enterKey')
  reconnect = this.#told('reconnect')
  newChat = this.#told('newChat')
  openChat = this.#told('openChat')
  addColumn = this.#told('addColumn')
  removeColumn = this.#told('removeColumn')
  stop = this.#told('stop')
  regenerate = this.#told('regenerate')
  continueAnswer = this.#told('continueAnswer')
  selectBranch = this.#done('selectBranch')
  loadOlder = this.#done('loadOlder')
  rename = this.#done('rename')
  pin = this.#done('pin')
  remove = this.#done('remove')
  undoRemove = this.#done('undoRemove')
  importChat = this.#done('importChat')
  loadMore = this.#done('loadMore')

  dismissNotice(): void {
    this.notice.set(null)
  }

  setModel(chatId: string, model: string): void {
    this.chat(chatId).patch({ model })
  }

  setParams(params: Params): void {
    this.params.set(params)
  }

  send(...args: Parameters<ChatStore['send']>): boolean {
    this.calls.push(['send', ...args])
    return this.columns.get().every((chatId) => this.chat(chatId).get().runningId === null)
  }

  editAndResend(...args: Parameters<ChatStore['editAndResend']>): boolean {
    this.calls.push(['editAndResend', ...args])
    return this.chat(args[0]).get().runningId === null
  }

  draft(chatId: string): string {
    return this.#drafts.get(chatId) ?? ''
  }

  setDraft(chatId: string, text: string): void {
    this.#drafts.set(chatId, text)
  }

  exportChat(...args: Parameters<ChatStore['exportChat']>): ReturnType<ChatStore['exportChat']> {
    this.calls.push(['exportChat', ...args])
    return Promise.resolve({ name: 'chat.md', blob: new Blob(['# Chat']) })
  }

  searchFor(text: string): void {
    this.calls.push(['searchFor', text])
    this.library.patch({ search: { ...this.library.get().search, text } })
  }

  #told(name: string): (...args: unknown[]) => void {
    return (...args) => {
      this.calls.push([name, ...args])
    }
  }

  #done(name: string): (...args: unknown[]) => Promise<void> {
    return async (...args) => {
      this.calls.push([name, ...args])
    }
  }
}

function found<T>(map: Map<string, T>, key: string, make: () => T): T {
  const value = map.get(key) ?? make()
  map.set(key, value)
  return value
}

function makeChat(id: string): Chat {
  return {
    id,
    title: '',
    model: 'claude',
    temporary: false,
    pinned: false,
    load: 'new',
    hasMore: false,
    messageIds: [],
    runningId: null,
    totals: { inputTokens: 0, outputTokens: 0, costUsd: null, messages: 0 },
    draftRevision: 0,
  }
}
