/**
 * One socket, the requests that are on it, and its heartbeat. A link is used once: when it is dead, another one takes
 * its requests.
 */
import type { ServerEvent, ServerFrame } from '../protocol/frames'
import { parseFrame } from '../protocol/frames'
import type { AnswerRequest } from './request'
import type { Death, OpenSocket, SocketLike } from './socket'
import { judgeClose } from './socket'

/** The server says something every 15 s; a socket that is silent for longer than this is dead. */
export const SILENCE_MS = 25_000
const CONNECT_MS = 10_000

/**
 * Be told of a link. `turnedAway`: the server is stopping and begins nothing new, this request goes to another link.
 * After `died` a link is of no more use, and `orphans` go to another one.
 */
export interface LinkOwner {
  opened(link: Link): void
  event(link: Link, event: ServerEvent): void
  turnedAway(link: Link, request: AnswerRequest): void
  died(link: Link, death: Death, orphans: readonly AnswerRequest[]): void
}

let requestCount = 0

/** Holds one socket from its opening to its end. */
export class Link {
  readonly #owner: LinkOwner
  readonly #socket: SocketLike
  readonly #requests = new Map<string, AnswerRequest>()
  #timer: ReturnType<typeof setTimeout> | undefined
  #lastHeard = Date.now()
  #isLive = false
  #isDead = false

  /** Opens the socket; throws where the browser refuses to. */
  constructor(open: OpenSocket, protocols: string[], owner: LinkOwner) {
    this.#owner = owner
    this.#socket = open(protocols)
    this.#socket.onopen = () => this.#open()
    this.#socket.onmessage = ({ data }) => this.#hear(data)
    this.#socket.onclose = ({ code, reason }) => this.#die(judgeClose(code, reason, this.#isLive))
    this.#timer = setTimeout(() => this.kill('unreachable'), CONNECT_MS)
  }

  get isLive(): boolean {
    return this.#isLive && !this.#isDead
  }

  /** Tells whether no request is on this socket. */
  get isIdle(): boolean {
    return this.#requests.size === 0
  }

  /** Puts a request on this socket. It must be live. */
  begin(request: AnswerRequest): void {
    requestCount += 1
    const requestId = `r${requestCount}`
    this.#requests.set(requestId, request)
    for (const frame of request.opening(requestId)) this.#socket.send(frame)
  }

  /** Stops a request, if it is on this socket. Returns whether it is. */
  stop(request: AnswerRequest): boolean {
    if (!this.isLive || this.#requests.get(request.requestId) !== request) return false
    for (const frame of request.stop()) this.#socket.send(frame)
    return true
  }

  /** Kills a socket that has been silent for too long: timers stand still while a computer sleeps. */
  checkPulse(): void {
    if (this.isLive && Date.now() - this.#lastHeard >= SILENCE_MS) this.kill('silent')
  }

  /** Ends the socket at once: a dead peer would let its close frame wait for ever. */
  kill(kind: Death['kind']): void {
    this.#die({ kind, reason: '' })
  }

  #open(): void {
    if (this.#isDead) return
    this.#isLive = true
    this.#lastHeard = Date.now()
    this.#watch(SILENCE_MS)
    this.#owner.opened(this)
  }

  #watch(delayMs: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      const silentMs = Date.now() - this.#lastHeard
      if (silentMs >= SILENCE_MS) this.kill('silent')
      else this.#watch(SILENCE_MS - silentMs)
    }, delayMs)
  }

  #hear(data: unknown): void {
    if (this.#isDead) return
    this.#lastHeard = Date.now()
    const frame = typeof data === 'string' ? parseFrame(data) : null
    if (frame) this.#take(frame)
  }

  #take(frame: ServerFrame): void {
    if (frame.type === 'event') {
      this.#takeEvent(frame.event)
      return
    }
    const request = this.#requests.get(frame.requestId)
    const verdict = request?.take(frame)
    if (!request || !verdict) return
    if (verdict === 'broken') {
      this.kill('broken')
    } else if (verdict === 'draining') {
      this.#requests.delete(frame.requestId)
      request.drop()
      this.#owner.turnedAway(this, request)
    } else if (request.done) {
      this.#requests.delete(frame.requestId)
    }
  }

  #takeEvent(event: ServerEvent): void {
    if (event.name === 'queued') {
      this.#requests.get(event.forRequestId)?.queue(event.position, event.etaMs)
    } else {
      this.#owner.event(this, event)
    }
  }

  #die(death: Death): void {
    if (this.#isDead) return
    this.#isDead = true
    clearTimeout(this.#timer)
    this.#socket.close(1000)
    const orphans = [...this.#requests.values()]
    this.#requests.clear()
    for (const request of orphans) request.drop()
    this.#owner.died(
      this,
      death,
      orphans.filter((request) => !request.done),
    )
  }
}
