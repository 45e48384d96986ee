/**
 * Values for tests of what is drawn, and for looking at it.
 */
import type { ChatMessage, ConversationLine, Library, ModelInfo, Piece, ServerInfo } from '../../chat/model'

/** A model that takes everything. */
export const CLAUDE: ModelInfo = {
  name: 'claude',
  modelId: 'us.anthropic.claude-v9',
  title: 'Claude Nine',
  provider: 'Anthropic',
  inputModalities: ['text', 'image', 'document'],
  features: ['system', 'tools', 'reasoning'],
  refuses: ['reasoning_enabled'],
  contextTokens: 200_000,
  maxOutputTokens: 64_000,
  price: { input: 3, output: 15 },
  warning: null,
}

/** A model that takes words alone. */
export const LLAMA: ModelInfo = {
  ...CLAUDE,
  name: 'llama',
  modelId: 'meta.llama-v9',
  title: 'Llama Nine',
  provider: 'Meta',
  inputModalities: ['text'],
  features: [],
  refuses: ['images', 'documents', 'reasoning', 'top_k', 'system'],
  contextTokens: 8192,
  price: null,
  warning: 'goes away on 2027-01-01; use llama ten',
}

/** The menu. */
export const MODELS: readonly ModelInfo[] = [CLAUDE, LLAMA]

/** Makes what a server says of itself. */
export function makeServer(changes: Partial<ServerInfo> = {}): ServerInfo {
  return {
    version: '0.1.0',
    region: 'us-east-1',
    upstream: 'bedrock',
    notice: null,
    keyRequired: false,
    keepsConversations: true,
    ...changes,
  }
}

/** Makes a line of the side bar, changed some days ago. */
export function makeLine(
  id: string,
  title: string,
  daysAgo = 0,
  pinnedAt: number | null = null,
): ConversationLine {
  return {
    id,
    title,
    model: 'claude',
    pinnedAt,
    updatedAt: Date.now() - daysAgo * 86_400_000,
    deletedAt: null,
  }
}

/** Makes the side bar's list. */
export function makeLibrary(changes: Partial<Library> = {}): Library {
  return {
    load: 'ready',
    pinned: [],
    recent: [],
    hasMore: false,
    search: { text: '', found: [], load: 'idle', hasMore: false },
    undo: null,
    ...changes,
  }
}

/** Makes a piece of text. */
export function makeText(text: string, open = false): Piece {
  return { kind: 'text', key: 't', text, open }
}

/** Makes a prompt. */
export function makePrompt(id: string, text: string, changes: Partial<ChatMessage> = {}): ChatMessage {
  return {
    id,
    role: 'user',
    pieces: [makeText(text)],
    state: 'completed',
    parentId: null,
    siblings: [id],
    createdAt: 0,
    ...changes,
  }
}

/** Makes an answer, complete by default. */
export function makeAnswer(id: string, text: string, changes: Partial<ChatMessage> = {}): ChatMessage {
  return {
    id,
    role: 'assistant',
    pieces: text === '' ? [] : [makeText(text)],
    state: 'completed',
    parentId: 'p1',
    siblings: [id],
    createdAt: 0,
    model: 'claude',
    usage: { inputTokens: 1200, outputTokens: 340 },
    costUsd: 0.0087,
    ttftMs: 420,
    durationMs: 5200,
    ...changes,
  }
}
