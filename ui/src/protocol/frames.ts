/**
 * Frames of the native chat protocol (docs/protocol.md), as text of a WebSocket. What comes in is read with care: what
 * is not known, or not as it should be, is passed over, because a newer server may say more than this page knows.
 */
import type { ChatBody, ErrorFrame, Everything, ResumeBody } from './schema'

/** A part of an answer that this page knows. */
export type Part = NonNullable<Everything['part']>

/** A frame of the server. `part` is null where the part is of a kind that this page does not know. */
export type ServerFrame =
  | { type: 'start'; requestId: string; turnId?: string; epoch?: string }
  | { type: 'chunk'; requestId: string; sequence: number; part: Part | null }
  | { type: 'end'; requestId: string }
  | { type: 'no-active'; requestId: string }
  | ErrorFrame
  | { type: 'event'; requestId: string; event: ServerEvent }

/** What the server tells of the connection itself. */
export type ServerEvent =
  | { name: 'ping' }
  | { name: 'draining'; retryAfterMs: number }
  | { name: 'queued'; forRequestId: string; position: number; etaMs?: number }
  | { name: 'conversation-changed'; chatId: string }

/** A question: how to answer, and what is new in the chat. */
export interface Question {
  chatId: string
  idempotencyKey: string
  trigger: 'submit-message' | 'regenerate-message'
  messages: readonly object[]
  body: ChatBody
}

/** The `requestId` of what the server says of itself. */
export const SERVER_REQUEST_ID = '$server'

type Fields = Record<string, unknown>

const NO_STRINGS: readonly string[] = []

/** The strings that each kind of part must have to be of use. */
const NEEDED: Record<Part['type'], readonly string[]> = {
  start: ['messageId'],
  'start-step': NO_STRINGS,
  'finish-step': NO_STRINGS,
  'text-start': ['id'],
  'text-delta': ['id', 'delta'],
  'text-end': ['id'],
  'reasoning-start': ['id'],
  'reasoning-delta': ['id', 'delta'],
  'reasoning-end': ['id'],
  'tool-input-start': ['toolCallId', 'toolName'],
  'tool-input-delta': ['toolCallId', 'inputTextDelta'],
  'tool-input-available': ['toolCallId', 'toolName'],
  'tool-input-error': ['toolCallId', 'toolName', 'input', 'errorText'],
  'source-url': ['url'],
  'source-document': ['title'],
  'data-citation': NO_STRINGS,
  'data-bedrock': NO_STRINGS,
  'data-seam': NO_STRINGS,
  'data-error': NO_STRINGS,
  error: ['errorText'],
  abort: NO_STRINGS,
  'message-metadata': NO_STRINGS,
  finish: NO_STRINGS,
}

/** Tells whether a value is an object with fields. */
export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Reads one part; null where this page does not know its kind, or it lacks what it needs. */
export function parsePart(value: unknown): Part | null {
  if (!isFields(value) || typeof value.type !== 'string' || !Object.hasOwn(NEEDED, value.type)) return null
  const needed = NEEDED[value.type as Part['type']]
  if (!needed.every((name) => typeof value[name] === 'string')) return null
  if (value.type.startsWith('data-') && !isFields(value.data)) return null
  if (value.messageMetadata !== undefined && !isFields(value.messageMetadata)) return null
  return value as unknown as Part
}

/** Reads a server's message; null where it is no frame that this page knows. */
export function parseFrame(text: string): ServerFrame | null {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return null
  }
  if (!isFields(value) || typeof value.requestId !== 'string') return null
  return toFrame(value, value.requestId)
}

function toFrame(value: Fields, requestId: string): ServerFrame | null {
  switch (value.type) {
    case 'start':
      return { type: 'start', requestId, ...strings(value, ['turnId', 'epoch']) }
    case 'chunk': {
      const { sequence } = value
      if (typeof sequence !== 'number' || !Number.isSafeInteger(sequence) || sequence < 0) return null
      return { type: 'chunk', requestId, sequence, part: parsePart(value.chunk) }
    }
    case 'end':
    case 'no-active':
      return { type: value.type, requestId }
    case 'error':
      return toError(value, requestId)
    case 'event': {
      const event = toEvent(value)
      return event && { type: 'event', requestId, event }
    }
    default:
      return null
  }
}

function toError(value: Fields, requestId: string): ErrorFrame {
  const { retryAfterMs } = value
  return {
    type: 'error',
    requestId,
    errorText: typeof value.errorText === 'string' ? value.errorText : '',
    code: typeof value.code === 'string' ? value.code : 'internal',
    retryable: value.retryable === true,
    ...(typeof retryAfterMs === 'number' ? { retryAfterMs } : {}),
    ...strings(value, ['awsRequestId', 'turnId']),
  }
}

function toEvent(value: Fields): ServerEvent | null {
  switch (value.event) {
    case 'ping':
      return { name: 'ping' }
    case 'draining':
      return {
        name: 'draining',
        retryAfterMs: typeof value.retryAfterMs === 'number' ? value.retryAfterMs : 0,
      }
    case 'queued': {
      const { forRequestId, position, etaMs } = value
      if (typeof forRequestId !== 'string' || typeof position !== 'number') return null
      return { name: 'queued', forRequestId, position, ...(typeof etaMs === 'number' ? { etaMs } : {}) }
    }
    case 'conversation-changed':
      return typeof value.chatId === 'string' ? { name: 'conversation-changed', chatId: value.chatId } : null
    default:
      return null
  }
}

function strings<Name extends string>(value: Fields, names: readonly Name[]): { [name in Name]?: string } {
  const found: { [name in Name]?: string } = {}
  for (const name of names) {
    const field = value[name]
    if (typeof field === 'string') found[name] = field
  }
  return found
}

/** Writes a question. The same question with the same idempotency key is asked once, however often it is sent. */
export function encodeSend(requestId: string, question: Question): string {
  const { chatId, idempotencyKey, trigger, messages, body } = question
  const headers = { 'idempotency-key': idempotencyKey }
  return JSON.stringify({ type: 'send', requestId, id: chatId, trigger, messages, headers, body })
}

/** Asks for what follows `lastSequence` of a turn; without it, for the turn, or the chat's running one, from its start. */
export function encodeResume(
  requestId: string,
  chatId: string,
  lastSequence: number | null,
  body: ResumeBody,
): string {
  return JSON.stringify({
    type: 'resume',
    requestId,
    id: chatId,
    ...(lastSequence === null ? {} : { lastSequence }),
    body,
  })
}

/** Asks to stop the answer of a request. Its last parts still come. */
export function encodeAbort(requestId: string): string {
  return JSON.stringify({ type: 'abort', requestId })
}
