import { describe, expect, it } from 'vitest'
import { lexTail, lexWhole } from './grammar'
import { asTokens, type MathToken, type Token } from './tokens'

function findMath(tokens: readonly Token[]): MathToken[] {
  return tokens.flatMap((token) => {
    if (token.type === 'math') return [token]
    if (token.type === 'list') return token.items.flatMap((item) => findMath(asTokens(item.tokens)))
    return 'tokens' in token ? findMath(asTokens(token.tokens)) : []
  })
}

function mathOf(text: string): string[] {
  return findMath(lexWhole(text)).map((token) => token.text)
}

function halfOf(text: string): string[] {
  const { tokens } = lexTail({ text, links: {}, before: new Map() })
  return findMath(tokens).map((token) => (token.half ? `${token.text}…` : token.text))
}

describe('a formula', () => {
  it.each([
    ['$x$', 'x'],
    ['Let $x^2 + y_1$ be', 'x^2 + y_1'],
    ['the $n$th and $n$-th', 'n n'],
    ['$$x$$', 'x'],
    ['$$\nx = 1\ny = 2\n$$', 'x = 1\ny = 2'],
    ['Text:\n$$\nx\n$$\nand on', 'x'],
    ['\\(a\\) and \\[b\\]', 'a b'],
    ['\\[\nb\n\\]', 'b'],
    ['- item $a_i$\n- $$b$$', 'a_i b'],
    ['$a \\$ b$', 'a \\$ b'],
  ])('is found in %j', (text, found) => {
    expect(mathOf(text).join(' ')).toBe(found)
  })

  it.each([
    'It costs $5 and $6.',
    'between $5-$6, or 5$ to 6$',
    'US$ 10 and US$ 20',
    '`$x$` and `\\(x\\)`',
    'the path $HOME/$PATH',
    '```\n$x$\n```',
    '\\$x\\$',
    '$ x $',
    '$$ $$',
    '$$\nx\n\ny\n$$',
    '$x`a$`',
  ])('is not found in %j', (text) => {
    expect(mathOf(text)).toEqual([])
  })

  it('stands on its own line between two dollars', () => {
    expect(findMath(lexWhole('$$x$$ $y$')).map((token) => token.display)).toEqual([true, false])
  })
})

describe('a formula that is being written', () => {
  it.each([
    ['Let $x^2 +', 'x^2 +…'],
    ['Let \\(x_1', 'x_1…'],
    ['$$\nx = 1\n- y', 'x = 1\n- y…'],
    ['\\[ a', 'a…'],
    ['- item $a', 'a…'],
  ])('shows its source: %j', (text, found) => {
    expect(halfOf(text)).toEqual([found])
  })

  it.each(['It costs $5', 'It costs $5 and', '- $$ a\n- b', '$x and\nmore', '**a $x** and'])(
    'is not %j',
    (text) => {
      expect(halfOf(text)).toEqual([])
    },
  )

  it('is none once an empty line came', () => {
    expect(halfOf('$$\nx\n\nmore')).toEqual([])
  })
})
