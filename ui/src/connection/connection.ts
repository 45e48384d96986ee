/**
 * The page's connection: one socket for all chats, made anew whenever it is lost. What it is doing can be read at any
 * time; what was asked is neither lost nor asked twice.
 *
 * A server that is stopping keeps its socket until its answers have ended, beside the new one: they are safest there.
 */
import { Cell } from '../chat/cell'
import type { ConnectionState, Readable } from '../chat/model'
import type { ServerEvent } from '../protocol/frames'
import { Backoff } from './backoff'
import type { LinkOwner } from './link'
import { Link } from './link'
import type { Network } from './network'
import type { AnswerRequest } from './request'
import type { Death, OpenSocket } from './socket'
import { listProtocols } from './socket'

/** A connection that held for so long is good: the next loss begins with short waits. */
const HELD_MS = 15_000
const TURNED_AWAY_MS = 1_000

/** What a connection is made with. `key` is asked for at each attempt. */
export interface ConnectionOptions {
  open: OpenSocket
  network: Network
  key(): string | null
  /** A conversation was changed elsewhere. */
  onChanged(chatId: string): void
}

/** Keeps the page connected. `start` it once; `close` ends it for good. */
export class Connection {
  readonly state: Readable<ConnectionState>
  readonly #state = new Cell<ConnectionState>({ phase: 'idle' })
  readonly #options: ConnectionOptions
  readonly #backoff = new Backoff()
  readonly #leaving = new Set<Link>()
  readonly #waiting = new Set<AnswerRequest>()
  readonly #owner: LinkOwner
  #current: Link | null = null
  #timer: ReturnType<typeof setTimeout> | undefined
  #liveSince = 0
  #stopListening: () => void = () => {}

  constructor(options: ConnectionOptions) {
    this.#options = options
    this.state = this.#state
    this.#owner = {
      opened: (link) => this.#opened(link),
      event: (link, event) => this.#hear(link, event),
      turnedAway: (link, request) => {
        this.#waiting.add(request)
        this.#leave(link, TURNED_AWAY_MS + this.#backoff.next())
        if (this.#current?.isLive) this.#beginWaiting(this.#current)
      },
      died: (link, death, orphans) => this.#lost(link, death, orphans),
    }
  }

  /** Connects, and stays connected. */
  start(): void {
    this.#stopListening = this.#options.network.listen({
      online: () => this.#hurry(),
      offline: () => this.#current?.kill('lost'),
      woke: () => this.#wake(),
    })
    this.#connect()
  }

  /** Ends it. Requests that run are told nothing more. */
  close(): void {
    this.#stopListening()
    clearTimeout(this.#timer)
    this.#waiting.clear()
    for (const link of [this.#current, ...this.#leaving]) link?.kill('lost')
    clearTimeout(this.#timer)
    this.#state.set({ phase: 'idle' })
  }

  /** Puts a request on its way: now, or as soon as there is a connection. */
  begin(request: AnswerRequest): void {
    if (this.#current?.isLive) {
      this.#current.begin(request)
      return
    }
    this.#waiting.add(request)
    if (this.#state.get().phase === 'waiting') this.#connect()
  }

  /** Stops a request. Its last parts, and its end, still come. */
  stop(request: AnswerRequest): void {
    for (const link of [this.#current, ...this.#leaving]) {
      if (link?.stop(request)) return
    }
    // It waits: what of it has to be said is said on the next socket, and what was never sent is over.
    request.stop()
  }

  /** Connects now, whatever was waited for: the person asked for it, or there is a new key. */
  reconnect(): void {
    this.#backoff.reset()
    const link = this.#current
    this.#current = null
    link?.kill('lost')
    this.#connect()
  }

  #connect(): void {
    clearTimeout(this.#timer)
    if (this.#current) return
    // Attempts go on while the browser says that it is offline: it can be wrong, and this machine is always there.
    this.#state.set({ phase: this.#options.network.isOnline() ? 'connecting' : 'offline' })
    const key = this.#options.key()
    try {
      this.#current = new Link(this.#options.open, listProtocols(key), this.#owner)
    } catch {
      // A key with characters that no subprotocol may have, which the browser refuses to send; or no WebSocket at all.
      this.#state.set({ phase: 'refused', code: key === null ? 'unsupported' : 'key_required', reason: '' })
    }
  }

  #opened(link: Link): void {
    if (link !== this.#current) return
    this.#liveSince = Date.now()
    this.#state.set({ phase: 'live' })
    this.#beginWaiting(link)
  }

  #beginWaiting(link: Link): void {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const request of waiting) {
      if (!request.done) link.begin(request)
    }
  }

  #hear(link: Link, event: ServerEvent): void {
    if (event.name === 'draining') this.#leave(link, event.retryAfterMs)
    if (event.name === 'conversation-changed') this.#options.onChanged(event.chatId)
  }

  /** Leaves a server that is stopping: what runs there runs on, and after a while there is a new connection beside it. */
  #leave(link: Link, delayMs: number): void {
    if (link !== this.#current) return
    this.#current = null
    if (link.isIdle) link.kill('drained')
    else this.#leaving.add(link)
    this.#state.set({ phase: 'draining', retryAt: Date.now() + delayMs })
    this.#connectIn(delayMs)
  }

  #lost(link: Link, death: Death, orphans: readonly AnswerRequest[]): void {
    for (const request of orphans) this.#rehouse(request, death)
    if (this.#leaving.delete(link)) {
      if (this.#current?.isLive) this.#beginWaiting(this.#current)
      return
    }
    if (link !== this.#current) return
    this.#current = null
    if (this.#liveSince > 0 && Date.now() - this.#liveSince >= HELD_MS) this.#backoff.reset()
    this.#liveSince = 0
    this.#waitAfter(death)
  }

  #rehouse(request: AnswerRequest, death: Death): void {
    // What this server can't take would end the next socket just so.
    const isTooMuch = death.kind === 'too_large' || death.kind === 'malformed'
    if (isTooMuch && !request.isAccepted) {
      const code = death.kind === 'too_large' ? 'too_large' : 'invalid_request'
      request.refuse({ code, message: death.reason, retryable: false })
    } else {
      this.#waiting.add(request)
    }
  }

  #waitAfter(death: Death): void {
    if (death.kind === 'key_required' || death.kind === 'not_allowed') {
      this.#state.set({ phase: 'refused', code: death.kind, reason: death.reason })
      return
    }
    const delayMs = this.#backoff.next()
    if (this.#options.network.isOnline()) {
      this.#state.set({ phase: 'waiting', retryAt: Date.now() + delayMs, reason: death.reason || death.kind })
    } else {
      this.#state.set({ phase: 'offline' })
    }
    this.#connectIn(delayMs)
  }

  #connectIn(delayMs: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#connect(), delayMs)
  }

  #wake(): void {
    this.#current?.checkPulse()
    this.#hurry()
  }

  #hurry(): void {
    const { phase } = this.#state.get()
    if (phase === 'waiting' || phase === 'offline') this.#connect()
  }
}
