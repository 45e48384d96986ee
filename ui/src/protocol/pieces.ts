/**
 * Makes pieces of what answers are made of; the stream and the kept form must give the same ones.
 */
import type { Piece } from '../chat/model'
import type { DataBedrock, DataCitation, DataSeam, SourceDocument, SourceUrl } from './schema'

/** A part that is a piece of its own, complete as it comes. */
export type WholePart = SourceUrl | SourceDocument | DataCitation | DataBedrock | DataSeam

/** Names the piece at a place: pieces are only ever added at the end, so a place is a name for good. */
export function keyAt(place: number): string {
  return `p${place}`
}

/** Writes a value of a tool (its input, its output) as a person reads it. */
export function showValue(value: unknown): string {
  if (typeof value === 'string') return value
  return JSON.stringify(value, null, 2) ?? ''
}

const WEB_ADDRESS = /^https?:\/\//i

/** Makes the piece of such a part. Content of other kinds is shown under its technical name. */
export function toWhole(part: WholePart, key: string): Piece {
  switch (part.type) {
    case 'source-url': {
      const { url, title = url } = part
      // Nothing that a page should not open becomes a link.
      return WEB_ADDRESS.test(url) ? { kind: 'source', key, title, url } : { kind: 'source', key, title }
    }
    case 'source-document':
      return { kind: 'source', key, title: part.title }
    case 'data-seam':
      return { kind: 'seam', key, reason: String(part.data.reason ?? '') }
    case 'data-citation':
      return { kind: 'other', key, title: 'citation', details: part.data.citation }
    case 'data-bedrock': {
      const details = part.data.details ?? {}
      return { kind: 'other', key, title: Object.keys(details).join(', '), details }
    }
  }
}
