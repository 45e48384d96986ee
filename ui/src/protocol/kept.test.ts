import { expect, it } from 'vitest'
import { toPieces } from './kept'

it('shows what a tool answered, as text or as JSON', () => {
  const call = { type: 'tool-search', toolCallId: 'c', input: { a: 1 } }
  const pieces = toPieces([
    { ...call, state: 'output-available', output: 'found' },
    { ...call, state: 'output-available', output: { n: 1 } },
    { ...call, state: 'output-error', errorText: 'broken' },
    { ...call, type: 'dynamic-tool', toolName: 'other', state: 'input-available' },
  ])
  expect(pieces).toMatchObject([
    { name: 'search', state: 'answered', output: 'found', input: '{\n  "a": 1\n}' },
    { state: 'answered', output: '{\n  "n": 1\n}' },
    { state: 'failed', output: 'broken' },
    { name: 'other', state: 'called' },
  ])
})

it('shows the files of a prompt', () => {
  const url = 'data:image/png;base64,AA=='
  const pieces = toPieces([
    { type: 'file', mediaType: 'image/png', url },
    { type: 'text', text: 'what is it?' },
  ])
  expect(pieces).toEqual([
    { kind: 'file', key: 'p0', mediaType: 'image/png', name: '', url },
    { kind: 'text', key: 'p1', text: 'what is it?', open: false },
  ])
})

it('makes no link of what is no web address', () => {
  const source = { type: 'source-url', sourceId: 's', title: 'here' }
  const pieces = toPieces([
    { ...source, url: 'javascript:alert(1)' },
    { ...source, url: 'HTTPS://example.org/' },
  ])
  expect(pieces).toEqual([
    { kind: 'source', key: 'p0', title: 'here' },
    { kind: 'source', key: 'p1', title: 'here', url: 'HTTPS://example.org/' },
  ])
})

it('passes over parts that only structure a message, that are malformed, or that it does not know', () => {
  expect(
    toPieces([{ type: 'step-start' }, { type: 'data-new', data: {} }, { type: 'source-url' }, null, 'x']),
  ).toEqual([])
})
