/**
 * A connection with sockets made of tests' parts, and short ways to ask on it. Time is the test's (`vi.useFakeTimers`).
 */
import { Connection } from '../connection/connection'
import { type AnswerEvent, AnswerRequest } from '../connection/request'
import { type AnswerState, EMPTY_ANSWER } from '../protocol/answer'
import type { Part, Question } from '../protocol/frames'
import { reduce } from '../protocol/reduce'
import { FakeNet } from './fakeSocket'

/** A question that says nothing. */
export const QUESTION: Question = {
  chatId: 'c1',
  idempotencyKey: 'q1',
  trigger: 'submit-message',
  messages: [],
  body: { model: 'm' },
}

/** A request, and what became of it. */
export interface Asked {
  request: AnswerRequest
  events: AnswerEvent[]
  kinds(): string[]
}

/** One connection. */
export class ConnectionBench {
  readonly net = new FakeNet()
  readonly changed: string[] = []
  key: string | null = null
  readonly connection = new Connection({
    open: this.net.open,
    network: this.net.network,
    key: () => this.key,
    onChanged: (chatId) => this.changed.push(chatId),
  })

  get phase(): string {
    return this.connection.state.get().phase
  }

  goLive(): void {
    this.connection.start()
    this.net.last.accept()
  }

  /** Asks, and gathers what becomes of it. */
  ask(question: Question = QUESTION): Asked {
    const events: AnswerEvent[] = []
    const request = new AnswerRequest({ kind: 'ask', question }, (event) => events.push(event))
    this.connection.begin(request)
    return { request, events, kinds: () => events.map((event) => event.kind) }
  }
}

/** Makes the frame that accepts a request. */
export function startFrame(requestId: string): object {
  return { type: 'start', requestId, turnId: 't1', epoch: 'e1' }
}

/** Makes the frame of a part. */
export function chunkFrame(requestId: string, sequence: number, part: Part = { type: 'start-step' }): object {
  return { type: 'chunk', requestId, sequence, chunk: part }
}

/** Puts the parts together that a request was told of. */
export function fold(events: readonly AnswerEvent[]): AnswerState {
  const parts = events.flatMap((event) => (event.kind === 'part' ? [event.part] : []))
  return parts.reduce(reduce, EMPTY_ANSWER)
}
