import { describe, expect, it } from 'vitest'
import { decodeReferences } from './entities'
import { safeAddress } from './links'

describe('an address', () => {
  it.each([
    ['https://example.org/a?b=1&amp;c=2', 'https://example.org/a?b=1&c=2'],
    ['HTTP://EXAMPLE.org', 'http://example.org/'],
    ['mailto:a@example.org', 'mailto:a@example.org'],
    [' https://example.org ', 'https://example.org/'],
  ])('may be followed: %j', (href, address) => {
    expect(safeAddress(href)).toBe(address)
  })

  it.each([
    'javascript:alert(1)',
    'java\tscript:alert(1)',
    '\u0001javascript:x',
    'javascript&colon;x',
    '/api',
    '#x',
    '',
    'data:,x',
  ])('may not be followed: %j', (href) => {
    expect(safeAddress(href)).toBeNull()
  })

  it('is taken as it is in an autolink', () => {
    expect(safeAddress('https://example.org/?a&lt;b', true)).toBe('https://example.org/?a&lt;b')
  })

  it('may not be endless', () => {
    expect(safeAddress(`https://example.org/${'a'.repeat(5000)}`)).toBeNull()
  })
})

describe('references', () => {
  it.each([
    ['&amp;lt;', '&lt;'],
    ['&#65;&#x42;', 'AB'],
    ['&nbsp;', '\u00a0'],
    ['&#0;&#xd800;&#x110000;', '\ufffd\ufffd\ufffd'],
    ['&unknown; &constructor; AT&T', '&unknown; &constructor; AT&T'],
  ])('are resolved once: %j', (text, decoded) => {
    expect(decodeReferences(text)).toBe(decoded)
  })
})
