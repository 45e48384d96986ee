/**
 * An answer as it grows: what has been put together of its parts, and how one part changes that.
 */
import type { Failure, MessageState, Piece, UsageCounts } from '../chat/model'

/** What is known of an answer besides what it says. */
export interface AnswerFacts {
  turnId?: string
  model?: string
  region?: string
  stopReason?: string
  usage?: UsageCounts
  ttftMs?: number
  durationMs?: number
  costUsd?: number
}

/** How an answer ended. */
export type Ending = Extract<MessageState, 'completed' | 'stopped' | 'failed' | 'interrupted'>

/**
 * What has come of an answer. Values are never changed; `reduce` gives the next one. `open` says where the blocks that
 * may still grow are among `pieces`, and `inputs` holds the text of calls as it came.
 */
export interface AnswerState {
  messageId: string | null
  pieces: readonly Piece[]
  facts: AnswerFacts
  failure: Failure | null
  ending: Ending | null
  open: Readonly<Record<string, number>>
  inputs: Readonly<Record<string, string>>
}

/** An answer of which nothing has come. */
export const EMPTY_ANSWER: AnswerState = {
  messageId: null,
  pieces: [],
  facts: {},
  failure: null,
  ending: null,
  open: {},
  inputs: {},
}

/** Tells whether nothing of an answer can be seen yet. */
export function isBlank(answer: AnswerState): boolean {
  return answer.pieces.length === 0 && answer.ending === null
}
