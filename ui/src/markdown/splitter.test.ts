import fc from 'fast-check'
import type { Token as AnyToken } from 'marked'
import { describe, expect, it } from 'vitest'
import { lexWhole } from './grammar'
import { type Block, BlockSplitter } from './splitter'

/** A busy machine may take its time. */
const PATIENCE_MS = 60_000

const PIECES = [
  'Some words here',
  ' and more',
  '\n',
  '\n\n',
  '\n\n\n',
  '  ',
  '    ',
  '\t',
  '# Title',
  '## Two\n',
  '- item',
  '\n- item two',
  '\n  - nested',
  '\n    deeper',
  '1. one',
  '\n2. two',
  '\n10) ten',
  '> quote',
  '\n> more',
  '\n> > twice',
  '```',
  '```js\n',
  '\n```\n',
  '~~~\n',
  '~~~',
  '**',
  '*',
  '_',
  '__',
  '`',
  '``',
  '~~',
  '[text]',
  '(https://example.org/a_b)',
  '![alt]',
  '(x.png "t")',
  '<b>',
  '</b>',
  '<div>\n',
  '</div>\n',
  '<!-- ',
  ' -->',
  '<script>',
  '</script>',
  '| a | b |',
  '\n|---|:-:|',
  '\n| 1 | 2 |',
  '|',
  '---',
  '\n---\n',
  '===',
  '\n===\n',
  '***\n',
  '- [ ] open',
  '\n- [x] done',
  '$',
  '$$',
  '$x^2$',
  '\\(',
  '\\)',
  '\\[',
  '\\]',
  '$5',
  '\\',
  '\\*',
  '&amp;',
  '&#60;',
  'https://example.org',
  'www.example.org',
  'a@b.org',
  '"',
  "'",
  '!',
  '[',
  ']',
  '(',
  ')',
  '<',
  '>',
  'é',
  '日本語',
  '👩‍💻',
  '[^1]',
  '[^1]: note\n',
]

function keysOf(blocks: readonly Block[]): string {
  return blocks.map((block) => block.key).join(' ')
}

function contentOf(blocks: readonly Block[]): unknown[] {
  return blocks.map(({ key, token }) => ({ key, token }))
}

function shown(tokens: readonly { type: string }[]): unknown[] {
  return tokens.filter((token) => token.type !== 'space')
}

const documents = fc
  .array(fc.constantFrom(...PIECES), { minLength: 1, maxLength: 60 })
  .map((pieces) => pieces.join(''))
const cutDocuments = fc.tuple(
  documents,
  fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 25 }),
)

function cutsOf(text: string, places: readonly number[]): number[] {
  return places.map((place) => Math.floor(place * text.length)).sort((a, b) => a - b)
}

describe('a text in pieces', () => {
  it(
    'ends as the text read at once, wherever it was cut',
    () => {
      fc.assert(
        fc.property(cutDocuments, ([text, places]) => {
          const splitter = new BlockSplitter()
          for (const cut of cutsOf(text, places)) splitter.feed(text.slice(0, cut), true)
          expect(splitter.feed(text, false).map((block) => block.token)).toEqual(shown(lexWhole(text)))
        }),
        { numRuns: 1500 },
      )
    },
    PATIENCE_MS,
  )

  it(
    'freezes only what stays',
    () => {
      fc.assert(
        fc.property(cutDocuments, ([text, places]) => {
          const splitter = new BlockSplitter()
          let frozen: readonly Block[] = []
          for (const cut of [...cutsOf(text, places), text.length]) {
            const now = splitter.feed(text.slice(0, cut), true).filter((block) => !block.live)
            expect(now.slice(0, frozen.length)).toEqual(frozen)
            for (const [index, block] of frozen.entries()) expect(now[index]).toBe(block)
            frozen = now
          }
          const whole = shown(lexWhole(text))
          expect(frozen.map((block) => block.token)).toEqual(whole.slice(0, frozen.length))
        }),
        { numRuns: 1500 },
      )
    },
    PATIENCE_MS,
  )

  it(
    'freezes only what stays when it comes character by character',
    () => {
      fc.assert(
        fc.property(documents, (text) => {
          const splitter = new BlockSplitter()
          let frozen: readonly Block[] = []
          for (let cut = 1; cut <= text.length; cut += 1) {
            frozen = splitter.feed(text.slice(0, cut), true).filter((block) => !block.live)
          }
          expect(frozen.map((block) => block.token)).toEqual(shown(lexWhole(text)).slice(0, frozen.length))
        }),
        { numRuns: 300 },
      )
    },
    PATIENCE_MS,
  )
})

describe('what is finished', () => {
  const text = 'One.\n\nTwo.\n\nThree.\n\nFour'

  it('keeps its objects and keys', () => {
    const splitter = new BlockSplitter()
    const before = splitter.feed(text, true)
    const after = splitter.feed(`${text} and more`, true)
    expect(keysOf(after)).toBe(keysOf(before))
    expect(after.slice(0, 3).every((block, index) => block === before[index])).toBe(true)
    expect(after[3]).not.toBe(before[3])
  })

  it('keeps them when the text is complete', () => {
    const splitter = new BlockSplitter()
    const before = splitter.feed(text, true)
    const after = splitter.feed(text, false)
    expect(after[0]).toBe(before[0])
    expect(after.every((block) => !block.live)).toBe(true)
  })

  it('is drawn again only where a definition came late', () => {
    const splitter = new BlockSplitter()
    const start = 'Plain.\n\nSee [docs].\n\nMore.\n\nEnd.\n\n'
    const before = splitter.feed(start, true)
    const after = splitter.feed(`${start}[docs]: https://example.org`, false)
    expect(after[0]).toBe(before[0])
    const linked = after[1]?.token
    expect(linked?.type === 'paragraph' && (linked.tokens as AnyToken[])[1]?.type).toBe('link')
  })
})

describe('feed', () => {
  it('gives the same list for the same text', () => {
    const splitter = new BlockSplitter()
    expect(splitter.feed('a\n\nb', true)).toBe(splitter.feed('a\n\nb', true))
  })

  it('starts anew with a text that does not go on', () => {
    const splitter = new BlockSplitter()
    splitter.feed('# One\n\nTwo\n\nThree\n\nFour', true)
    expect(splitter.feed('Other', true).map((block) => block.token.raw)).toEqual(['Other'])
  })

  it('goes on after a text was complete', () => {
    const splitter = new BlockSplitter()
    splitter.feed('One\n\nTwo', false)
    expect(splitter.feed('One\n\nTwo more', true).map((block) => block.token.raw)).toEqual(
      ['One\n\n', 'Two more'].map((raw) => raw.trimEnd()),
    )
  })

  it('takes carriage returns for line ends, and waits for the second half of a pair', () => {
    const splitter = new BlockSplitter()
    const text = 'a\r\n\r\nb\rc'
    for (let cut = 1; cut <= text.length; cut += 1) splitter.feed(text.slice(0, cut), true)
    expect(splitter.feed(text, false).map((block) => block.token.raw)).toEqual(['a', 'b\nc'])
  })

  it('shows all of a very long block at once, though it is not read each time', () => {
    const splitter = new BlockSplitter()
    const rows = Array.from({ length: 3000 }, (_, index) => `- row ${index}`).join('\n')
    splitter.feed(rows, true)
    const blocks = splitter.feed(`${rows}\n- last`, true)
    expect(blocks.at(-1)?.token.raw).toBe('\n- last')
    expect(splitter.feed(`${rows}\n- last`, false)).toHaveLength(1)
  })
})

describe('an open fence', () => {
  it('grows with every piece and hides the marks that may close it', () => {
    const splitter = new BlockSplitter()
    const text = '```py\nprint(1)\n``'
    for (let cut = 1; cut < text.length; cut += 1) splitter.feed(text.slice(0, cut), true)
    const token = splitter.feed(text, true).at(-1)?.token
    expect(token?.type === 'code' && [token.lang, token.text]).toEqual(['py', 'print(1)'])
  })

  it(
    'is the same as if it had been read at once',
    () => {
      fc.assert(
        fc.property(
          fc.array(fc.constantFrom('a', ' ', '\n', '```', '`', '~~~', '    ', 'x = 1')),
          (pieces) => {
            const text = `Code:\n\n\`\`\`js\n${pieces.join('')}`
            const slow = new BlockSplitter().feed(text, true)
            const splitter = new BlockSplitter()
            for (let cut = 1; cut < text.length; cut += 1) splitter.feed(text.slice(0, cut), true)
            // What was frozen on the way may be more than what one step can know to be finished.
            expect(contentOf(splitter.feed(text, true))).toEqual(contentOf(slow))
          },
        ),
        { numRuns: 300 },
      )
    },
    PATIENCE_MS,
  )
})
