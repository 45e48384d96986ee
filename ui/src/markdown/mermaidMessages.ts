/**
 * What the page and the frame that draws diagrams say to each other. The frame runs in an origin of its own, without
 * any right: what it says is checked, and can do no more than set a height or fail.
 */

/** From the page: draw this. */
export interface DrawRequest {
  kind: 'draw'
  source: string
  isDark: boolean
}

/** From the frame. `ready`: it listens now. Lengths are CSS pixels. */
export type FrameMessage =
  | { kind: 'ready' }
  | { kind: 'drawn'; width: number; height: number }
  | { kind: 'failed' }

const MAX_LENGTH = 20_000

/** Reads what came from the frame; null for anything that is not one of its messages. */
export function readFrameMessage(data: unknown): FrameMessage | null {
  if (typeof data !== 'object' || data === null || !('kind' in data)) return null
  if (data.kind === 'ready' || data.kind === 'failed') return { kind: data.kind }
  if (data.kind !== 'drawn' || !('width' in data) || !('height' in data)) return null
  const { width, height } = data
  return isLength(width) && isLength(height) ? { kind: 'drawn', width, height } : null
}

/** Reads what came from the page; null for anything else. */
export function readDrawRequest(data: unknown): DrawRequest | null {
  if (typeof data !== 'object' || data === null) return null
  if (!('kind' in data) || !('source' in data) || !('isDark' in data) || data.kind !== 'draw') return null
  return typeof data.source === 'string'
    ? { kind: 'draw', source: data.source, isDark: data.isDark === true }
    : null
}

function isLength(value: unknown): value is number {
  return typeof value === 'number' && value > 0 && value <= MAX_LENGTH
}
