/**
 * What the page knows, as values, and what it can be asked to do. The components draw the one and call the other;
 * nothing in here touches a socket, the document or React.
 */

/** One piece of a message, in the order in which the model said it. `key` is stable while the piece grows. */
export type Piece =
  | { kind: 'text'; key: string; text: string; open: boolean }
  | { kind: 'reasoning'; key: string; text: string; open: boolean; redacted: boolean }
  | {
      kind: 'tool'
      key: string
      name: string
      callId: string
      input: string
      output?: string
      state: ToolState
    }
  | { kind: 'file'; key: string; mediaType: string; name: string; url: string }
  | { kind: 'source'; key: string; title: string; url?: string }
  | { kind: 'seam'; key: string; reason: string }
  | { kind: 'other'; key: string; title: string; details: unknown }

/** How far a call of a tool is: its arguments come, are complete, were answered, or it failed. */
export type ToolState = 'calling' | 'called' | 'answered' | 'failed'

/** Tokens of an answer. `inputTokens` excludes what was read from the prompt cache. */
export interface UsageCounts {
  inputTokens: number
  outputTokens: number
  reasoningTokens?: number
  cacheReadTokens?: number
  cacheWriteTokens?: number
  /** The service did not say: these are counted by rule of thumb. */
  estimated?: boolean
}

/** Why something failed. The strings table says what helps, by `code`. */
export interface Failure {
  code: string
  /** The server's sentence, for people. */
  message: string
  retryable: boolean
  retryAfterMs?: number
  awsRequestId?: string
}

/** `sending`: not acknowledged yet. `queued`: the server lets it wait. The rest is the server's own word. */
export type MessageState =
  | 'sending'
  | 'queued'
  | 'running'
  | 'completed'
  | 'stopped'
  | 'failed'
  | 'interrupted'

/** A message as it is shown: a person's, or an answer with what is known of it. */
export interface ChatMessage {
  id: string
  role: 'user' | 'assistant'
  pieces: readonly Piece[]
  state: MessageState
  parentId: string | null
  /** All messages in its place, itself among them, the oldest first. */
  siblings: readonly string[]
  createdAt: number
  model?: string
  region?: string
  turnId?: string
  stopReason?: string
  usage?: UsageCounts
  costUsd?: number
  ttftMs?: number
  durationMs?: number
  failure?: Failure
  queue?: { position: number; etaMs?: number }
  /** A stop was asked for, and the server has not said yet that it ended. */
  stopping?: boolean
  /** Set while, and after, a stream was taken up again: the place from which it went on. */
  resumedAt?: number
}

/** One conversation on the screen, or one column of several. */
export interface Chat {
  id: string
  title: string
  model: string
  temporary: boolean
  pinned: boolean
  /** `unknown`: it has no conversation of this id (deleted, or another's). */
  load: 'new' | 'loading' | 'ready' | 'failed' | 'unknown'
  loadFailure?: string
  hasMore: boolean
  /** The shown branch in order. Each message has its own subscription: see `ChatStore.message`. */
  messageIds: readonly string[]
  /** The answer that is being made, if any. */
  runningId: string | null
  totals: { inputTokens: number; outputTokens: number; costUsd: number | null; messages: number }
  /** Raised whenever the store itself put text into the draft: what is typed in has to read it again. */
  draftRevision: number
}

/** What is true of the connection now. Times are milliseconds since 1970. */
export type ConnectionState =
  | { phase: 'idle' }
  | { phase: 'connecting' }
  | { phase: 'live' }
  /**
   * `reason` is the server's sentence, or one of `lost`, `unreachable` (nobody answered), `silent` (no sign of life for
   * 25 s), `broken` (something was missing in what came), `slow` (this page read too slowly), `drained`, `busy`.
   */
  | { phase: 'waiting'; retryAt: number; reason: string }
  | { phase: 'offline' }
  | { phase: 'draining'; retryAt: number }
  /** Connecting again won't help before the person does something. */
  | { phase: 'refused'; code: 'key_required' | 'not_allowed' | 'unsupported'; reason: string }

/** Where an answer in flight is being taken up again; null when none is. */
export interface Resuming {
  chatId: string
  position: number
}

/** A line of the model menu. */
export interface ModelInfo {
  name: string
  modelId: string
  title: string
  provider: string
  inputModalities: readonly string[]
  features: readonly string[]
  /** What the server refuses for this model: 'tools', 'images', 'documents', 'reasoning', 'effort', 'temperature', … */
  refuses: readonly string[]
  contextTokens: number | null
  maxOutputTokens: number | null
  /** Dollars for a million tokens; null where not known. */
  price: { input: number | null; output: number | null } | null
  warning: string | null
}

/** What the server says of itself. */
export interface ServerInfo {
  version: string
  region: string
  upstream: 'bedrock' | 'emulator'
  notice: string | null
  keyRequired: boolean
  keepsConversations: boolean
}

/** How to answer, for all models: what one refuses is not sent to it. */
export interface Params {
  system?: string
  temperature?: number
  topP?: number
  topK?: number
  maxTokens?: number
  stop?: readonly string[]
  reasoning?: { mode: 'enabled' | 'adaptive' | 'disabled'; budgetTokens?: number; effort?: string }
  stream: boolean
}

/** A file that is about to be sent: its bytes as a data: URL. */
export interface Attachment {
  key: string
  name: string
  mediaType: string
  bytes: number
  url: string
}

/** What a person is about to send. */
export interface Prompt {
  text: string
  files: readonly Attachment[]
}

/** A line of the side bar. Times are milliseconds since 1970. */
export interface ConversationLine {
  id: string
  title: string
  model: string | null
  pinnedAt: number | null
  updatedAt: number
  deletedAt: number | null
}

/** Something that was found: a title, or a message with these words. */
export interface FoundLine {
  conversation: ConversationLine
  messageId: string | null
  snippet: string
  /** Places in `snippet`, in Unicode code points. */
  marks: readonly { start: number; end: number }[]
}

/** The side bar's list. */
export interface Library {
  load: 'loading' | 'ready' | 'failed'
  failure?: string
  pinned: readonly ConversationLine[]
  recent: readonly ConversationLine[]
  hasMore: boolean
  search: {
    text: string
    found: readonly FoundLine[]
    load: 'idle' | 'loading' | 'ready' | 'failed'
    hasMore: boolean
  }
  /** Deleted a moment ago, and still to be had back. */
  undo: ConversationLine | null
}

/** A read-only value that tells when it changed; made for `useSyncExternalStore`. */
export interface Readable<T> {
  get(): T
  subscribe(onChange: () => void): () => void
}

/** All that the page shows and can do. One instance a page; `connection/` and `api/` are behind it. */
export interface ChatStore {
  readonly connection: Readable<ConnectionState>
  readonly resuming: Readable<Resuming | null>
  readonly server: Readable<ServerInfo | null>
  readonly models: Readable<readonly ModelInfo[]>
  readonly library: Readable<Library>
  /** The chats side by side: one, or up to four columns. The first is the one in the address. */
  readonly columns: Readable<readonly string[]>
  readonly params: Readable<Params>
  /** One sentence for the person, such as "the export failed: …"; null when there is none. */
  readonly notice: Readable<string | null>
  chat(chatId: string): Readable<Chat>
  message(chatId: string, messageId: string): Readable<ChatMessage | null>

  enterKey(key: string): void
  reconnect(): void
  dismissNotice(): void

  newChat(options?: { temporary?: boolean }): void
  openChat(chatId: string, options?: { leafId?: string }): void
  setModel(chatId: string, model: string): void
  setParams(params: Params): void
  addColumn(model: string): void
  removeColumn(chatId: string): void

  /**
   * Sends to every column. False: it was not taken (an answer is running, a chat is loading, no model is chosen, or the
   * prompt is empty); nothing is lost.
   */
  send(prompt: Prompt): boolean
  stop(chatId: string): void
  /** Makes an answer anew, beside this one. Where the question was refused, it is asked again. */
  regenerate(chatId: string, answerId: string): void
  /** Asks in other words, on a branch of its own. False: it was not taken, as with `send`. */
  editAndResend(chatId: string, promptId: string, prompt: Prompt): boolean
  /**
   * Asks the model to go on after an answer that was interrupted, stopped or cut at its limit, with these words of the
   * person's (the strings table has them); without, in English.
   */
  continueAnswer(chatId: string, answerId: string, words?: string): void
  /** What was typed in a chat and not sent; it outlives a reload. `send` empties it. */
  draft(chatId: string): string
  setDraft(chatId: string, text: string): void
  selectBranch(chatId: string, messageId: string): Promise<void>
  loadOlder(chatId: string): Promise<void>

  rename(chatId: string, title: string): Promise<void>
  pin(chatId: string, pinned: boolean): Promise<void>
  remove(chatId: string): Promise<void>
  undoRemove(): Promise<void>
  /** Gives the file to save. Rejects where there is none, after the notice has said why. */
  exportChat(chatId: string, format: 'json' | 'markdown'): Promise<{ name: string; blob: Blob }>
  importChat(file: File): Promise<void>
  searchFor(text: string): void
  loadMore(): Promise<void>
}
