import { describe, expect, it } from 'vitest'
import { readDrawRequest, readFrameMessage } from './mermaidMessages'

describe('what the frame says', () => {
  it('is read where it is one of three messages', () => {
    expect(readFrameMessage({ kind: 'ready', more: 1 })).toEqual({ kind: 'ready' })
    expect(readFrameMessage({ kind: 'failed' })).toEqual({ kind: 'failed' })
    expect(readFrameMessage({ kind: 'drawn', width: 10, height: 20 })).toEqual({
      kind: 'drawn',
      width: 10,
      height: 20,
    })
  })

  it.each([
    null,
    undefined,
    'ready',
    {},
    { kind: 'drawn' },
    { kind: 'drawn', width: 1, height: Number.NaN },
    { kind: 'drawn', width: 1, height: '9' },
    { kind: 'drawn', width: 1, height: 1e9 },
    { kind: 'drawn', width: -1, height: 1 },
    { kind: 'open' },
  ])('is passed over where it is anything else: %j', (data) => {
    expect(readFrameMessage(data)).toBeNull()
  })
})

describe('what the page says', () => {
  it('is read where it is a request to draw', () => {
    expect(readDrawRequest({ kind: 'draw', source: 'graph', isDark: true })).toEqual({
      kind: 'draw',
      source: 'graph',
      isDark: true,
    })
  })

  it.each([null, { kind: 'draw' }, { kind: 'draw', source: 1, isDark: true }])(
    'is passed over otherwise: %j',
    (data) => {
      expect(readDrawRequest(data)).toBeNull()
    },
  )
})
