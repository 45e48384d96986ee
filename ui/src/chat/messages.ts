/**
 * Messages as the page has them: made of what is kept, of an answer that grows, and of what a person wrote.
 */
import type { MessageJson } from '../api/schema'
import type { AnswerState } from '../protocol/answer'
import { readFacts } from '../protocol/facts'
import { toPieces } from '../protocol/kept'
import { keyAt } from '../protocol/pieces'
import type { ChatMessage, Piece, Prompt } from './model'
import type { NewMessage } from './tree'

/** Takes a kept message. */
export function fromKept(kept: MessageJson): ChatMessage {
  const { id, role, state, parentId, siblings, createdAt, turnId } = kept
  const message: ChatMessage = {
    id,
    role,
    state,
    parentId,
    siblings,
    createdAt,
    pieces: toPieces(kept.parts),
    ...readFacts(kept.metadata),
  }
  if (turnId !== null) message.turnId = turnId
  if (kept.failure) message.failure = kept.failure
  return message
}

/** Makes the message of a prompt that is about to be sent. */
export function fromPrompt(id: string, parentId: string | null, prompt: Prompt): NewMessage {
  const pieces: Piece[] = prompt.files.map(({ mediaType, name, url }, place) => ({
    kind: 'file',
    key: keyAt(place),
    mediaType,
    name,
    url,
  }))
  if (prompt.text.trim() !== '') {
    pieces.push({ kind: 'text', key: keyAt(pieces.length), text: prompt.text, open: false })
  }
  return { id, role: 'user', pieces, state: 'sending', parentId, createdAt: Date.now() }
}

/** Makes the message of an answer that was asked for, and of which nothing has come. */
export function blankAnswer(id: string, parentId: string, model: string): NewMessage {
  return { id, role: 'assistant', pieces: [], state: 'sending', parentId, createdAt: Date.now(), model }
}

/** Writes what has come of an answer into its message. */
export function withAnswer(message: NewMessage, answer: AnswerState): NewMessage {
  const { queue: _, stopping, ...rest } = message
  const next: NewMessage = {
    ...rest,
    id: answer.messageId ?? message.id,
    pieces: answer.pieces,
    state: answer.ending ?? 'running',
    ...answer.facts,
  }
  if (answer.failure) next.failure = answer.failure
  if (stopping && answer.ending === null) next.stopping = true
  return next
}

/** Gives a message of this page as the protocol has it, for chats of which the server keeps nothing. */
export function toUiMessage(message: ChatMessage): object {
  const parts = message.pieces.map(toUiPart).filter((part) => part !== null)
  const metadata = message.model === undefined ? {} : { metadata: { model: message.model } }
  return { id: message.id, role: message.role, parts, ...metadata }
}

/** What only a page shows is left out, and so is reasoning: it would be taken back with its signature alone. */
function toUiPart(piece: Piece): object | null {
  switch (piece.kind) {
    case 'text':
      return { type: 'text', text: piece.text }
    case 'file':
      return { type: 'file', mediaType: piece.mediaType, url: piece.url, filename: piece.name }
    case 'tool':
    case 'reasoning':
    case 'source':
    case 'seam':
    case 'other':
      return null
  }
}

/** Measures how much of an answer can be seen, to compare two states of it. */
export function sizeOf(pieces: readonly Piece[]): number {
  return pieces.reduce((size, piece) => size + 1 + ('text' in piece ? piece.text.length : 0), 0)
}
