/**
 * The words of a message, without what goes with them.
 */
import type { Piece } from '../../chat/model'

/** Gives what a person would copy of a message. */
export function textOf(pieces: readonly Piece[]): string {
  return pieces
    .filter((piece) => piece.kind === 'text')
    .map((piece) => piece.text)
    .join('\n\n')
}
