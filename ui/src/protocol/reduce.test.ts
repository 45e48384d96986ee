import { describe, expect, it } from 'vitest'
import { FIXTURES, fixture } from '../testing/fixtures'
import type { AnswerState } from './answer'
import { EMPTY_ANSWER } from './answer'
import { readFacts } from './facts'
import type { Part } from './frames'
import { parsePart } from './frames'
import { toPieces } from './kept'
import { reduce, reduceAll } from './reduce'

function replay(parts: readonly Part[], from: AnswerState = EMPTY_ANSWER): AnswerState {
  return parts.reduce(reduce, from)
}

describe.each(FIXTURES)('the answer %s', (_, { parts, kept }) => {
  it('is made of parts that the page knows', () => {
    expect(parts.map(parsePart)).toEqual(parts)
  })

  it('has the pieces that are kept of it', () => {
    expect(replay(parts).pieces).toEqual(toPieces(kept.parts))
  })

  it('has the facts and the ending that are kept of it', () => {
    const answer = replay(parts)
    expect(answer.facts).toEqual(readFacts(kept.metadata))
    expect(answer.ending).toBe(kept.state)
  })

  it('is the same when it goes on after a cut at any place', () => {
    const whole = replay(parts)
    for (let cut = 0; cut <= parts.length; cut += 1) {
      expect(replay(parts.slice(cut), replay(parts.slice(0, cut)))).toEqual(whole)
    }
  })

  it('is the same when its parts are taken together, in two goes cut at any place', () => {
    const whole = replay(parts)
    for (let cut = 0; cut <= parts.length; cut += 1) {
      const first = reduceAll(EMPTY_ANSWER, parts.slice(0, cut))
      expect(reduceAll(first, parts.slice(cut))).toEqual(whole)
    }
  })

  it('never loses what was seen', () => {
    let seen = 0
    let answer = EMPTY_ANSWER
    for (const part of parts) {
      answer = reduce(answer, part)
      expect(answer.pieces.length).toBeGreaterThanOrEqual(seen)
      seen = answer.pieces.length
    }
  })
})

describe('reduce', () => {
  it('leaves every value alone that it was given', () => {
    const { parts } = fixture('calls')
    let answer = EMPTY_ANSWER
    for (const part of parts) {
      const before = structuredClone(answer)
      const next = reduce(answer, part)
      expect(answer).toEqual(before)
      answer = next
    }
  })

  it('keeps the pieces that a delta does not touch', () => {
    const opened = replay([
      { type: 'text-start', id: 'a' },
      { type: 'text-start', id: 'b' },
    ])
    const grown = reduce(opened, { type: 'text-delta', id: 'b', delta: 'x' })
    expect(grown.pieces[0]).toBe(opened.pieces[0])
    expect(grown.pieces[1]).not.toBe(opened.pieces[1])
    expect(grown.facts).toBe(opened.facts)
  })

  it('passes over what belongs to no open block', () => {
    expect(reduce(EMPTY_ANSWER, { type: 'text-delta', id: 'x', delta: 'y' })).toBe(EMPTY_ANSWER)
    expect(reduce(EMPTY_ANSWER, { type: 'text-end', id: 'x' })).toBe(EMPTY_ANSWER)
    expect(reduce(EMPTY_ANSWER, { type: 'tool-input-delta', toolCallId: 'x', inputTextDelta: '' })).toBe(
      EMPTY_ANSWER,
    )
  })

  it('takes nothing after the ending', () => {
    const answer = replay(fixture('stopped').parts)
    expect(reduce(answer, { type: 'text-start', id: 'x' })).toBe(answer)
  })

  it('tells why an answer failed, as far as the server says it', () => {
    expect(replay(fixture('failed').parts).failure).toEqual({
      code: 'throttled',
      message: 'slow down',
      retryable: true,
      retryAfterMs: 1500,
      awsRequestId: 'r-1',
    })
    const bare = reduce(EMPTY_ANSWER, { type: 'error', errorText: 'no' })
    expect(bare.failure).toEqual({ code: 'internal', message: 'no', retryable: false })
  })

  it('shows the text of a call while it comes, and its value once it is complete', () => {
    const { parts } = fixture('calls')
    const cut = parts.findLastIndex((part) => part.type === 'tool-input-delta')
    const growing = replay(parts.slice(0, cut + 1))
    expect(growing.pieces[1]).toMatchObject({ input: '{"words": ["basalt"], "limit": 3}', state: 'calling' })
    const value = JSON.stringify({ words: ['basalt'], limit: 3 }, null, 2)
    expect(replay(parts).pieces[1]).toMatchObject({ input: value, state: 'called' })
  })

  it('appends a hundred thousand deltas without copying what is there each time', () => {
    let answer = reduce(EMPTY_ANSWER, { type: 'text-start', id: 'a' })
    for (let count = 0; count < 100_000; count += 1) {
      answer = reduce(answer, { type: 'text-delta', id: 'a', delta: '0123456789' })
    }
    const [piece] = answer.pieces
    expect(piece?.kind === 'text' && piece.text.length).toBe(1_000_000)
  })
})
