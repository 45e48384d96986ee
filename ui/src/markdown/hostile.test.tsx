import { flushSync } from 'react-dom'
import { createRoot, type Root } from 'react-dom/client'
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { highlighter } from './highlight'
import payloads from './hostile.json'
import { Markdown } from './Markdown'
import { findForbidden } from './testing/allowed'
import { typesetter } from './tex'

interface Payload {
  name: string
  text?: string
  before?: string
  repeat?: string
  times?: number
  after?: string
}

const PATIENCE_MS = 120_000
const MAX_CUTS = 400
const cases = payloads as readonly Payload[]

function textOf({ text, before = '', repeat = '', times = 0, after = '' }: Payload): string {
  return text ?? before + repeat.repeat(times) + after
}

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

function draw(text: string, open: boolean, key: number): string[] {
  flushSync(() => root.render(<Markdown key={key} text={text} open={open} />))
  return findForbidden(container)
}

describe('a hostile text', () => {
  const short = cases.filter((one) => textOf(one).length <= MAX_CUTS)

  it.each(short)(
    'gives only what is allowed, cut anywhere: $name',
    (payload) => {
      const text = textOf(payload)
      for (let cut = 0; cut <= text.length; cut += 1) {
        expect(draw(text.slice(0, cut), true, cut)).toEqual([])
        expect(draw(text, true, cut)).toEqual([])
        expect(draw(text, false, cut)).toEqual([])
      }
    },
    PATIENCE_MS,
  )

  const long = cases.filter((one) => textOf(one).length > MAX_CUTS)

  // That it ends at all is what is tested: the wrong pattern takes minutes for one of these.
  it.each(long)(
    'is read in bounded time, and gives only what is allowed: $name',
    (payload) => {
      const text = textOf(payload)
      for (const part of [0.3, 0.31, 0.9, 1]) {
        expect(draw(text.slice(0, Math.floor(text.length * part)), true, 0)).toEqual([])
      }
      expect(draw(text, false, 0)).toEqual([])
    },
    PATIENCE_MS,
  )

  it('leaves nothing out: what is written is on the page', () => {
    for (const { text } of cases.filter(
      (one) => one.name.startsWith('html ') && one.text !== '<br><br/><br />',
    )) {
      draw(text ?? '', false, 0)
      expect(container.textContent?.length).toBeGreaterThan(0)
    }
  })
})
