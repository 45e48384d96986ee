/**
 * Sockets for tests: each is opened, spoken on and dropped by the test.
 */
import type { OpenSocket, SocketLike } from '../connection/socket'

/** A frame that the page sent. */
export interface SentFrame {
  type: string
  requestId: string
  id?: string
  lastSequence?: number
  messages?: { id: string; role: string; parts: { type: string; text?: string }[] }[]
  headers?: Record<string, string>
  trigger?: string
  body?: Record<string, unknown>
}

/** One socket. */
export class FakeSocket implements SocketLike {
  onopen: (() => void) | null = null
  onmessage: ((event: { data: unknown }) => void) | null = null
  onclose: ((event: { code: number; reason: string }) => void) | null = null
  readonly protocols: readonly string[]
  readonly sent: SentFrame[] = []
  /** Called with each frame that the page sends. */
  onsent: (frame: SentFrame) => void = () => {}
  isClosed = false

  constructor(protocols: readonly string[]) {
    this.protocols = protocols
  }

  send(text: string): void {
    if (this.isClosed) return
    const frame = JSON.parse(text) as SentFrame
    this.sent.push(frame)
    this.onsent(frame)
  }

  close(): void {
    this.isClosed = true
  }

  /** Lets the handshake succeed. */
  accept(): void {
    this.onopen?.()
  }

  /** Sends a frame to the page. */
  say(frame: object): void {
    if (!this.isClosed) this.onmessage?.({ data: JSON.stringify(frame) })
  }

  /** Says something of the connection itself. */
  event(name: string, fields: object = {}): void {
    this.say({ type: 'event', requestId: '$server', event: name, ...fields })
  }

  /** Ends the socket, as a lost network does, or with a close code of the server. */
  drop(code = 1006, reason = ''): void {
    if (this.isClosed) return
    this.isClosed = true
    this.onclose?.({ code, reason })
  }

  /** The last frame of a kind that the page sent. */
  lastSent(type: string): SentFrame {
    const frame = this.sent.findLast((each) => each.type === type)
    if (!frame) throw new Error(`no ${type} was sent, but ${this.sent.map((each) => each.type).join(', ')}`)
    return frame
  }
}

/** All sockets that a page opened. */
export class FakeNet {
  readonly sockets: FakeSocket[] = []
  isOnline = true
  /** Called with each new socket, before the page uses it. */
  onopening: (socket: FakeSocket) => void = () => {}
  #on: { online(): void; offline(): void; woke(): void } | null = null

  readonly open: OpenSocket = (protocols) => {
    const socket = new FakeSocket(protocols)
    this.sockets.push(socket)
    this.onopening(socket)
    return socket
  }

  /** The socket that was opened last. */
  get last(): FakeSocket {
    const socket = this.sockets.at(-1)
    if (!socket) throw new Error('no socket was opened')
    return socket
  }

  readonly network = {
    isOnline: () => this.isOnline,
    listen: (on: { online(): void; offline(): void; woke(): void }) => {
      this.#on = on
      return () => {
        this.#on = null
      }
    },
  }

  goOffline(): void {
    this.isOnline = false
    this.#on?.offline()
  }

  goOnline(): void {
    this.isOnline = true
    this.#on?.online()
  }

  /** Shows the tab again. */
  wake(): void {
    this.#on?.woke()
  }
}
