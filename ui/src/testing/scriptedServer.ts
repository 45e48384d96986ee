/**
 * A server for tests that answers every question with the same parts, remembers questions by their idempotency keys,
 * resumes from any position, and can lose each of its sockets after so many frames.
 */
import type { Part } from '../protocol/frames'
import type { FakeNet, FakeSocket, SentFrame } from './fakeSocket'

/** Answers on the sockets of a `FakeNet`. Each socket is lost after as many frames as `losses` says for it. */
export class ScriptedServer {
  readonly turns = new Map<string, string>()
  readonly #parts: readonly Part[]
  readonly #losses: number[]

  constructor(net: FakeNet, parts: readonly Part[], losses: readonly number[] = []) {
    this.#parts = parts
    this.#losses = [...losses]
    net.onopening = (socket) => this.#serve(socket)
  }

  #serve(socket: FakeSocket): void {
    const left = { frames: this.#losses.shift() ?? Number.POSITIVE_INFINITY }
    socket.onsent = (frame) => {
      if (frame.type === 'send') this.#answer(socket, frame, left, 0)
      if (frame.type === 'resume') this.#answer(socket, frame, left, (frame.lastSequence ?? -1) + 1)
    }
    queueMicrotask(() => socket.accept())
  }

  #answer(socket: FakeSocket, frame: SentFrame, left: { frames: number }, from: number): void {
    const { requestId } = frame
    const turnId = this.#turnOf(frame)
    const chunks = this.#parts.map((chunk, sequence) => ({ type: 'chunk', requestId, sequence, chunk }))
    const start = { type: 'start', requestId, turnId, epoch: 'e1' }
    for (const each of [start, ...chunks.slice(from), { type: 'end', requestId }]) {
      if (left.frames === 0) {
        socket.drop()
        return
      }
      left.frames -= 1
      socket.say(each)
    }
  }

  #turnOf(frame: SentFrame): string {
    if (frame.type === 'resume') return String(frame.body?.turnId ?? [...this.turns.values()].at(-1))
    const key = frame.headers?.['idempotency-key'] ?? ''
    const turnId = this.turns.get(key) ?? `turn-${this.turns.size + 1}`
    this.turns.set(key, turnId)
    return turnId
  }
}
