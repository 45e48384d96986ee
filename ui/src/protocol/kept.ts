/**
 * Kept messages (`GET /api/conversations/{id}`) as pieces: the same ones that their stream gave.
 */
import type { Piece, ToolState } from '../chat/model'
import { isFields, parsePart } from './frames'
import { keyAt, showValue, toWhole } from './pieces'

type Fields = Record<string, unknown>

/** Makes pieces of a kept message's parts. Parts of kinds that this page does not know are passed over. */
export function toPieces(parts: readonly unknown[]): readonly Piece[] {
  const pieces: Piece[] = []
  for (const part of parts) {
    const piece = isFields(part) ? toPiece(part, keyAt(pieces.length)) : null
    if (piece) pieces.push(piece)
  }
  return pieces
}

function toPiece(part: Fields, key: string): Piece | null {
  const type = text(part.type)
  switch (type) {
    case 'text':
      return { kind: 'text', key, text: text(part.text), open: part.state === 'streaming' }
    case 'reasoning': {
      const open = part.state === 'streaming'
      return { kind: 'reasoning', key, text: text(part.text), open, redacted: isRedacted(part) }
    }
    case 'file': {
      const mediaType = text(part.mediaType)
      return { kind: 'file', key, mediaType, name: text(part.filename), url: text(part.url) }
    }
    case 'source-url':
    case 'source-document':
    case 'data-citation':
    case 'data-bedrock':
    case 'data-seam':
      return toWholePiece(part, key)
    default:
      return type === 'dynamic-tool' || type.startsWith('tool-') ? toCall(part, type, key) : null
  }
}

function toWholePiece(value: Fields, key: string): Piece | null {
  const part = parsePart(value)
  switch (part?.type) {
    case 'source-url':
    case 'source-document':
    case 'data-citation':
    case 'data-bedrock':
    case 'data-seam':
      return toWhole(part, key)
    default:
      return null
  }
}

const TOOL_STATES: Record<string, ToolState> = {
  'input-streaming': 'calling',
  'input-available': 'called',
  'output-available': 'answered',
  'output-error': 'failed',
  'output-denied': 'failed',
}

function toCall(part: Fields, type: string, key: string): Piece {
  const state = TOOL_STATES[text(part.state)] ?? 'called'
  const call: Piece = {
    kind: 'tool',
    key,
    name: type === 'dynamic-tool' ? text(part.toolName) : type.slice('tool-'.length),
    callId: text(part.toolCallId),
    input: part.input === undefined ? '' : showValue(part.input),
    state,
  }
  if (state === 'answered') return { ...call, output: showValue(part.output) }
  return state === 'failed' ? { ...call, output: text(part.errorText) } : call
}

function isRedacted(part: Fields): boolean {
  const metadata = isFields(part.providerMetadata) ? part.providerMetadata.bedrock : undefined
  return isFields(metadata) && typeof metadata.redactedData === 'string'
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
