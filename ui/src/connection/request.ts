/**
 * One request for an answer, over any number of sockets. It knows what to send on a new one, so that nothing is asked
 * twice and nothing is lost: the question with its idempotency key until the server has taken it, then a resume from
 * the last part that came. No I/O.
 */
import type { Failure } from '../chat/model'
import type { Part, Question, ServerFrame } from '../protocol/frames'
import { encodeAbort, encodeResume, encodeSend } from '../protocol/frames'

/** What is asked for: a new answer, or the one that a chat is getting already, from its beginning. */
export type Wish =
  | { kind: 'ask'; question: Question }
  | { kind: 'follow'; chatId: string; turnId: string | null }

/** What becomes of a request. `ended`, `refused`, `cancelled` and `lost` are the last word. */
export type AnswerEvent =
  | { kind: 'accepted'; turnId: string | null }
  | { kind: 'part'; part: Part }
  | { kind: 'queued'; position: number; etaMs?: number }
  /** The stream broke and is to go on at this part; `resumed` follows once it does. */
  | { kind: 'interrupted'; position: number }
  | { kind: 'resumed'; position: number }
  | { kind: 'ended' }
  /** Nothing was begun. */
  | { kind: 'refused'; failure: Failure }
  /** It was stopped before it was sent. */
  | { kind: 'cancelled' }
  /** It can't be gone on with here: what is kept of it is to be read. */
  | { kind: 'lost'; code: string }

/** What whoever owns the socket must do after a frame. `broken`: drop it; `draining`: this server takes nothing new. */
export type Verdict = 'fine' | 'broken' | 'draining'

type FrameOf<Type extends ServerFrame['type']> = Extract<ServerFrame, { type: Type }>

const MAX_VIOLATIONS = 3
const MAX_RESTARTS = 8

/** Follows one answer. Give `opening` to each new socket, each frame to `take`, and say `drop` when a socket ended. */
export class AnswerRequest {
  readonly chatId: string
  requestId = ''
  done = false
  #wish: Wish
  #tell: (event: AnswerEvent) => void
  #accepted = false
  #turnId: string | null = null
  #epoch: string | null = null
  #last: number | null = null
  #stopping = false
  #wasSent = false
  #isOver = false
  #interrupted = false
  #violations = 0
  #restarts = 0

  constructor(wish: Wish, tell: (event: AnswerEvent) => void) {
    this.#wish = wish
    this.#tell = tell
    this.chatId = wish.kind === 'ask' ? wish.question.chatId : wish.chatId
    this.#turnId = wish.kind === 'ask' ? null : wish.turnId
  }

  /** Gives the frames to send on a new socket, under a request number that was never used before. */
  opening(requestId: string): string[] {
    this.requestId = requestId
    this.#wasSent = true
    const frames = [this.#first(requestId)]
    if (this.#stopping) frames.push(encodeAbort(requestId))
    return frames
  }

  #first(requestId: string): string {
    if (this.#wish.kind === 'ask' && !this.#accepted) return encodeSend(requestId, this.#wish.question)
    const body = {
      ...(this.#turnId === null ? {} : { turnId: this.#turnId }),
      ...(this.#epoch === null ? {} : { epoch: this.#epoch }),
    }
    return encodeResume(requestId, this.chatId, this.#last, body)
  }

  /** Stops the answer. Gives the frames to send on the socket that it is on; what was never sent ends at once. */
  stop(): string[] {
    if (this.done || this.#stopping) return []
    this.#stopping = true
    if (!this.#wasSent) this.#finish({ kind: 'cancelled' })
    return this.done ? [] : [encodeAbort(this.requestId)]
  }

  /** Takes a frame that bears this request's number. */
  take(frame: Exclude<ServerFrame, { type: 'event' }>): Verdict {
    if (this.done) return 'fine'
    switch (frame.type) {
      case 'start':
        this.#accept(frame)
        return 'fine'
      case 'chunk':
        return this.#takeChunk(frame)
      case 'end':
      case 'no-active':
        this.#finish(this.#isOver ? { kind: 'ended' } : { kind: 'lost', code: frame.type })
        return 'fine'
      case 'error':
        return this.#takeError(frame)
    }
  }

  /** Says that the server lets it wait. */
  queue(position: number, etaMs?: number): void {
    this.#tell({ kind: 'queued', position, ...(etaMs === undefined ? {} : { etaMs }) })
  }

  /** Says that its socket has ended. An answer of which only the last frame is missing is then over. */
  drop(): void {
    if (this.done) return
    this.requestId = ''
    if (this.#isOver) {
      this.#finish({ kind: 'ended' })
    } else if (this.#accepted && !this.#interrupted) {
      this.#interrupted = true
      this.#tell({ kind: 'interrupted', position: this.#position })
    }
  }

  /** Gives it up, because the server said that what was sent can't be taken. */
  refuse(failure: Failure): void {
    if (this.done) return
    const hasBegun = this.#accepted || this.#wish.kind === 'follow'
    this.#finish(hasBegun ? { kind: 'lost', code: failure.code } : { kind: 'refused', failure })
  }

  get isAccepted(): boolean {
    return this.#accepted
  }

  get #position(): number {
    return this.#last === null ? 0 : this.#last + 1
  }

  #accept(frame: FrameOf<'start'>): void {
    const isFirst = !this.#accepted
    this.#accepted = true
    this.#turnId = frame.turnId ?? this.#turnId
    this.#epoch = frame.epoch ?? this.#epoch
    if (isFirst) this.#tell({ kind: 'accepted', turnId: this.#turnId })
    if (!this.#interrupted) return
    this.#interrupted = false
    this.#tell({ kind: 'resumed', position: this.#position })
  }

  #takeChunk(frame: FrameOf<'chunk'>): Verdict {
    if (frame.sequence < this.#position) return 'fine'
    if (frame.sequence > this.#position) return this.#blame()
    this.#last = frame.sequence
    this.#violations = 0
    const { part } = frame
    if (part === null) return 'fine'
    if (part.type === 'finish' || part.type === 'abort' || part.type === 'error') this.#isOver = true
    this.#tell({ kind: 'part', part })
    return 'fine'
  }

  /** Something is missing: on another socket it goes on where it was. A server that does so again and again is given up. */
  #blame(): Verdict {
    this.#violations += 1
    if (this.#violations < MAX_VIOLATIONS) return 'broken'
    this.#finish({ kind: 'lost', code: 'protocol_violated' })
    return 'fine'
  }

  #takeError(frame: FrameOf<'error'>): Verdict {
    if (frame.code === 'draining' && !this.#accepted && this.#restarts < MAX_RESTARTS) {
      this.#restarts += 1
      return 'draining'
    }
    this.refuse({
      code: frame.code,
      message: frame.errorText,
      retryable: frame.retryable,
      ...(frame.retryAfterMs === undefined ? {} : { retryAfterMs: frame.retryAfterMs }),
      ...(frame.awsRequestId === undefined ? {} : { awsRequestId: frame.awsRequestId }),
    })
    return 'fine'
  }

  #finish(event: AnswerEvent): void {
    this.done = true
    this.#tell(event)
  }
}
