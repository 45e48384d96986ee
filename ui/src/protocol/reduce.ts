/**
 * The reducer of answers: parts of a stream, one after another, become what is drawn. Pure.
 *
 * A delta makes a new piece and a new list of pieces, and nothing else: texts grow by appending, which engines do
 * without copying, and `reduceAll` joins the deltas of one block before it appends them.
 */
import type { Failure, Piece } from '../chat/model'
import type { AnswerState } from './answer'
import { readFacts } from './facts'
import type { Part } from './frames'
import { keyAt, showValue, toWhole } from './pieces'
import type {
  Abort,
  DataError,
  ErrorPart,
  Finish,
  ReasoningEnd,
  ReasoningPiece,
  ReasoningStart,
  TextEnd,
  TextPiece,
  TextStart,
  ToolInputAvailable,
  ToolInputError,
  ToolInputPiece,
  ToolInputStart,
} from './schema'

type Grown = Extract<Piece, { kind: 'text' | 'reasoning' }>
type Call = Extract<Piece, { kind: 'tool' }>

/** Takes the next part of an answer. What comes after the ending, or for a block that is not open, changes nothing. */
export function reduce(answer: AnswerState, part: Part): AnswerState {
  if (answer.ending !== null) return answer
  switch (part.type) {
    case 'start':
      return withFacts({ ...answer, messageId: part.messageId }, part.messageMetadata)
    case 'start-step':
    case 'finish-step':
      return answer
    case 'message-metadata':
      return withFacts(answer, part.messageMetadata)
    case 'text-start':
    case 'text-delta':
    case 'text-end':
    case 'reasoning-start':
    case 'reasoning-delta':
    case 'reasoning-end':
      return reduceBlock(answer, part)
    case 'tool-input-start':
    case 'tool-input-delta':
    case 'tool-input-available':
    case 'tool-input-error':
      return reduceCall(answer, part)
    case 'source-url':
    case 'source-document':
    case 'data-citation':
    case 'data-bedrock':
    case 'data-seam':
      return append(answer, toWhole(part, next(answer)))
    default:
      return reduceEnding(answer, part)
  }
}

function reduceEnding(answer: AnswerState, part: DataError | ErrorPart | Abort | Finish): AnswerState {
  switch (part.type) {
    case 'data-error':
      return { ...answer, failure: toFailure(part) }
    case 'error':
      return fail(answer, part.errorText)
    case 'abort':
      return end(answer, 'stopped')
    case 'finish':
      return end(withFacts(answer, part.messageMetadata), 'completed')
  }
}

type BlockPart = TextStart | TextPiece | TextEnd | ReasoningStart | ReasoningPiece | ReasoningEnd

function reduceBlock(answer: AnswerState, part: BlockPart): AnswerState {
  switch (part.type) {
    case 'text-start':
      return append(answer, { kind: 'text', key: next(answer), text: '', open: true }, `block:${part.id}`)
    case 'reasoning-start': {
      const piece: Piece = { kind: 'reasoning', key: next(answer), text: '', open: true, redacted: false }
      return append(answer, piece, `block:${part.id}`)
    }
    case 'text-delta':
    case 'reasoning-delta':
      return grow(answer, part.id, part.delta)
    case 'text-end':
      return closeBlock(answer, part.id, false)
    case 'reasoning-end':
      return closeBlock(answer, part.id, isRedacted(part))
  }
}

/** Takes several parts. It is `reduce` for each, with fewer values made on the way. */
export function reduceAll(answer: AnswerState, parts: readonly Part[]): AnswerState {
  let state = answer
  let waiting: Part | null = null
  for (const part of parts) {
    const joined: Part | null = waiting && join(waiting, part)
    if (joined) {
      waiting = joined
      continue
    }
    if (waiting) state = reduce(state, waiting)
    waiting = part
  }
  return waiting ? reduce(state, waiting) : state
}

function join(before: Part, part: Part): Part | null {
  if (before.type !== 'text-delta' && before.type !== 'reasoning-delta') return null
  if (part.type !== before.type || part.id !== before.id) return null
  return { ...before, delta: before.delta + part.delta }
}

function next(answer: AnswerState): string {
  return keyAt(answer.pieces.length)
}

function withFacts(answer: AnswerState, metadata: unknown): AnswerState {
  return { ...answer, facts: { ...answer.facts, ...readFacts(metadata) } }
}

function append(answer: AnswerState, piece: Piece, name?: string): AnswerState {
  const open = name === undefined ? answer.open : { ...answer.open, [name]: answer.pieces.length }
  return { ...answer, pieces: [...answer.pieces, piece], open }
}

function replace(answer: AnswerState, place: number, piece: Piece): AnswerState {
  return { ...answer, pieces: answer.pieces.with(place, piece) }
}

function findBlock(answer: AnswerState, id: string): [number, Grown] | null {
  const place = answer.open[`block:${id}`]
  const piece = place === undefined ? undefined : answer.pieces[place]
  if (place === undefined || (piece?.kind !== 'text' && piece?.kind !== 'reasoning')) return null
  return [place, piece]
}

function grow(answer: AnswerState, id: string, delta: string): AnswerState {
  const found = findBlock(answer, id)
  if (!found) return answer
  const [place, piece] = found
  return replace(answer, place, { ...piece, text: piece.text + delta })
}

function closeBlock(answer: AnswerState, id: string, redacted: boolean): AnswerState {
  const found = findBlock(answer, id)
  if (!found) return answer
  const [place, piece] = found
  const closed: Piece =
    piece.kind === 'text' ? { ...piece, open: false } : { ...piece, open: false, redacted }
  const { [`block:${id}`]: _, ...open } = answer.open
  return { ...replace(answer, place, closed), open }
}

function isRedacted(part: ReasoningEnd): boolean {
  return typeof part.providerMetadata?.bedrock?.redactedData === 'string'
}

type CallPart = ToolInputStart | ToolInputPiece | ToolInputAvailable | ToolInputError

function reduceCall(answer: AnswerState, part: CallPart): AnswerState {
  const name = `call:${part.toolCallId}`
  if (part.type === 'tool-input-start') {
    const { toolCallId: callId, toolName } = part
    const call: Piece = {
      kind: 'tool',
      key: next(answer),
      name: toolName,
      callId,
      input: '',
      state: 'calling',
    }
    return append({ ...answer, inputs: { ...answer.inputs, [callId]: '' } }, call, name)
  }
  const place = answer.open[name]
  const call = place === undefined ? undefined : answer.pieces[place]
  if (place === undefined || call?.kind !== 'tool') return answer
  if (part.type === 'tool-input-delta') {
    const input = (answer.inputs[part.toolCallId] ?? '') + part.inputTextDelta
    const growing = { ...answer, inputs: { ...answer.inputs, [part.toolCallId]: input } }
    return replace(growing, place, { ...call, input, state: 'calling' })
  }
  return replace(answer, place, closeCall(call, part))
}

function closeCall(call: Call, part: ToolInputAvailable | ToolInputError): Call {
  const input = showValue(part.input)
  if (part.type === 'tool-input-available') return { ...call, input, state: 'called' }
  return { ...call, input, output: part.errorText, state: 'failed' }
}

function toFailure(part: DataError): Failure {
  const { code, message, retryable, retryAfterMs, awsRequestId } = part.data
  return {
    code: String(code),
    message: String(message),
    retryable: retryable === true,
    ...(typeof retryAfterMs === 'number' ? { retryAfterMs } : {}),
    ...(typeof awsRequestId === 'string' ? { awsRequestId } : {}),
  }
}

function fail(answer: AnswerState, message: string): AnswerState {
  const failure = answer.failure ?? { code: 'internal', message, retryable: false }
  return end({ ...answer, failure }, failure.code === 'interrupted' ? 'interrupted' : 'failed')
}

function end(answer: AnswerState, ending: NonNullable<AnswerState['ending']>): AnswerState {
  return { ...answer, ending, open: {}, inputs: {} }
}
