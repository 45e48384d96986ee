import { flushSync } from 'react-dom'
import { createRoot, type Root } from 'react-dom/client'
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { highlighter } from './highlight'
import { Markdown } from './Markdown'
import { findForbidden } from './testing/allowed'
import { LONG, SHORT } from './testing/payloads'
import { typesetter } from './tex'

const PATIENCE_MS = 120_000

let container: HTMLElement
let root: Root

beforeAll(async () => {
  highlighter.load()
  typesetter.load()
  await vi.waitUntil(() => highlighter.get() !== null && typesetter.get() !== null, { timeout: PATIENCE_MS })
}, PATIENCE_MS)

beforeEach(() => {
  container = document.createElement('div')
  root = createRoot(container)
})

afterEach(() => root.unmount())

function draw(text: string, open: boolean): string[] {
  flushSync(() => root.render(<Markdown text={text} open={open} />))
  return findForbidden(container)
}

describe('a hostile text', () => {
  // Cut in two at every place it is drawn by a real browser: see tests/page/test_cut.py.
  it.each(SHORT)(
    'gives only what is allowed, character by character: $name',
    ({ text }) => {
      for (let end = 0; end <= text.length; end += 1) expect(draw(text.slice(0, end), true)).toEqual([])
      expect(draw(text, false)).toEqual([])
    },
    PATIENCE_MS,
  )

  // That it ends at all is what is tested: the wrong pattern takes minutes for one of these.
  it.each(LONG)(
    'is read in bounded time, and gives only what is allowed: $name',
    ({ text }) => {
      for (const part of [0.3, 0.31, 0.9, 1]) {
        expect(draw(text.slice(0, Math.floor(text.length * part)), true)).toEqual([])
      }
      expect(draw(text, false)).toEqual([])
    },
    PATIENCE_MS,
  )

  it('leaves nothing out: what is written is on the page', () => {
    for (const { text } of SHORT.filter(
      (one) => one.name.startsWith('html ') && one.text !== '<br><br/><br />',
    )) {
      draw(text, false)
      expect(container.textContent?.length).toBeGreaterThan(0)
    }
  })
})
