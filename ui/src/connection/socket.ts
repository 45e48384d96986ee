/**
 * What this page needs of a WebSocket, and what the close codes of the server mean (docs/protocol.md).
 */

/** The part of a browser's WebSocket that is used here; tests put another in its place. */
export interface SocketLike {
  send(text: string): void
  close(code?: number, reason?: string): void
  onopen: (() => void) | null
  onmessage: ((event: { data: unknown }) => void) | null
  onclose: ((event: { code: number; reason: string }) => void) | null
}

/** Opens a socket that offers these subprotocols. May throw where one of them can't be one. */
export type OpenSocket = (protocols: string[]) => SocketLike

/** Why a socket is of no more use. `reason` is the server's sentence, or "". */
export interface Death {
  kind:
    | 'lost'
    | 'silent'
    | 'unreachable'
    | 'broken'
    | 'drained'
    | 'slow'
    | 'busy'
    | 'key_required'
    | 'not_allowed'
    | 'malformed'
    | 'too_large'
  reason: string
}

const KINDS: Record<number, Death['kind']> = {
  1012: 'drained',
  4400: 'malformed',
  4401: 'key_required',
  4403: 'not_allowed',
  4408: 'slow',
  4413: 'too_large',
  4429: 'busy',
}

/** Says what a close code means; `wasLive` tells a connection that was lost from one that never was. */
export function judgeClose(code: number, reason: string, wasLive: boolean): Death {
  return { kind: KINDS[code] ?? (wasLive ? 'lost' : 'unreachable'), reason }
}

const PROTOCOL = 'outcrop'
const KEY_PREFIX = 'outcrop.key.'

/** Lists the subprotocols to offer: a browser can't set headers, so a key travels as one of them. */
export function listProtocols(key: string | null): string[] {
  return key === null ? [PROTOCOL] : [PROTOCOL, KEY_PREFIX + key]
}

/** Gives the opener of sockets to the server that a page came from. */
export function openerFor(pageUrl: string): OpenSocket {
  const url = new URL('/api/chat', pageUrl)
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:'
  return (protocols) => new WebSocket(url, protocols) as SocketLike
}
