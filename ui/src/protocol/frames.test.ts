import { describe, expect, it } from 'vitest'
import { encodeAbort, encodeResume, encodeSend, parseFrame, parsePart } from './frames'

describe('parseFrame', () => {
  it.each([
    ['no JSON', 'hello'],
    ['no object', '[1]'],
    ['no requestId', '{"type": "end"}'],
    ['an unknown type', '{"type": "applause", "requestId": "r1"}'],
    ['an unknown event', '{"type": "event", "requestId": "$server", "event": "weather"}'],
    ['a chunk without a number', '{"type": "chunk", "requestId": "r1", "chunk": {}}'],
    ['a chunk with half a number', '{"type": "chunk", "requestId": "r1", "sequence": 0.5, "chunk": {}}'],
    ['a chunk with a negative number', '{"type": "chunk", "requestId": "r1", "sequence": -1, "chunk": {}}'],
  ])('passes over %s', (_, text) => {
    expect(parseFrame(text)).toBeNull()
  })

  it('counts a part of an unknown kind, and passes it over', () => {
    const frame = parseFrame(
      '{"type": "chunk", "requestId": "r1", "sequence": 3, "chunk": {"type": "video"}}',
    )
    expect(frame).toEqual({ type: 'chunk', requestId: 'r1', sequence: 3, part: null })
  })

  it('reads what the server says of an accepted request', () => {
    const frame = parseFrame('{"type": "start", "requestId": "r1", "turnId": "t", "epoch": "e", "more": 1}')
    expect(frame).toEqual({ type: 'start', requestId: 'r1', turnId: 't', epoch: 'e' })
  })

  it('reads an error, also one that says little', () => {
    const frame = parseFrame('{"type": "error", "requestId": "r1"}')
    expect(frame).toEqual({
      type: 'error',
      requestId: 'r1',
      errorText: '',
      code: 'internal',
      retryable: false,
    })
  })

  it.each([
    [{ event: 'ping' }, { name: 'ping' }],
    [
      { event: 'draining', retryAfterMs: 5 },
      { name: 'draining', retryAfterMs: 5 },
    ],
    [
      { event: 'queued', forRequestId: 'r1', position: 2, etaMs: 9 },
      { name: 'queued', forRequestId: 'r1', position: 2, etaMs: 9 },
    ],
    [
      { event: 'conversation-changed', chatId: 'c' },
      { name: 'conversation-changed', chatId: 'c' },
    ],
  ])('reads the event %j', (fields, event) => {
    const text = JSON.stringify({ type: 'event', requestId: '$server', ...fields })
    expect(parseFrame(text)).toEqual({ type: 'event', requestId: '$server', event })
  })
})

describe('parsePart', () => {
  it.each([
    ['a delta without text', { type: 'text-delta', id: 'a' }],
    ['a call without a name', { type: 'tool-input-start', toolCallId: 'a' }],
    ['data that is none', { type: 'data-error', data: 'no' }],
    ['metadata that is none', { type: 'start', messageId: 'm', messageMetadata: 'no' }],
    ['the name of a property of all objects', { type: 'constructor' }],
    ['a text', 'finish'],
  ])('passes over %s', (_, value) => {
    expect(parsePart(value)).toBeNull()
  })
})

describe('what the page sends', () => {
  it('names a question by its idempotency key', () => {
    const question = {
      chatId: 'c',
      idempotencyKey: 'q',
      trigger: 'submit-message' as const,
      messages: [],
      body: { model: 'm' },
    }
    expect(JSON.parse(encodeSend('r1', question))).toEqual({
      type: 'send',
      requestId: 'r1',
      id: 'c',
      trigger: 'submit-message',
      messages: [],
      headers: { 'idempotency-key': 'q' },
      body: { model: 'm' },
    })
  })

  it('leaves out a position that there is not', () => {
    expect(JSON.parse(encodeResume('r1', 'c', null, {}))).toEqual({
      type: 'resume',
      requestId: 'r1',
      id: 'c',
      body: {},
    })
    expect(JSON.parse(encodeResume('r1', 'c', 0, { turnId: 't' }))).toMatchObject({ lastSequence: 0 })
    expect(JSON.parse(encodeAbort('r1'))).toEqual({ type: 'abort', requestId: 'r1' })
  })
})
