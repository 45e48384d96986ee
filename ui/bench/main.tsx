/**
 * The page that the benchmark drives: one way of drawing an answer, one token after the other.
 *
 * `?way=` names the way. `window.bench.show(n)` draws the first n characters and settles when the browser has nothing
 * more to do for them; the time is taken outside, by the browser's own count of what the main thread did.
 */
import { memo, type ReactNode } from 'react'
import { createRoot } from 'react-dom/client'
import ReactMarkdown from 'react-markdown'
import remarkGfm from 'remark-gfm'
import { Streamdown } from 'streamdown'
import { Markdown } from '../src/markdown/Markdown'
import { makeAnswer } from './text'

declare global {
  interface Window {
    bench: { show: (characters: number) => Promise<number> }
  }
}

const LONGEST = 80_000
const PLUGINS = [remarkGfm]

/** About the least that a page can do: text without markup, in paragraphs. */
const Plain = memo(({ text }: { text: string }) => <p style={{ whiteSpace: 'pre-wrap' }}>{text}</p>)

const WAYS: Readonly<Record<string, (text: string) => ReactNode>> = {
  nothing: () => null,
  // biome-ignore lint/suspicious/noArrayIndexKey: the text only grows, so a paragraph keeps its place
  plain: (text) => text.split('\n\n').map((paragraph, index) => <Plain key={index} text={paragraph} />),
  outcrop: (text) => <Markdown text={text} open={true} />,
  streamdown: (text) => <Streamdown isAnimating={true}>{text}</Streamdown>,
  'react-markdown': (text) => <ReactMarkdown remarkPlugins={PLUGINS}>{text}</ReactMarkdown>,
}

const draw = WAYS[new URLSearchParams(location.search).get('way') ?? ''] ?? (() => 'no such way')
const answer = makeAnswer(LONGEST)
const container = document.getElementById('root') ?? document.body
const root = createRoot(container)

function nextFrame(): Promise<void> {
  return new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve, 0)))
}

window.bench = {
  show: async (characters) => {
    root.render(draw(answer.slice(0, characters)))
    // Work of low priority, such as transitions, may need more than one frame.
    for (let frame = 0; frame < 3; frame += 1) {
      await nextFrame()
      // The reader follows the end, as in a chat.
      window.scrollTo(0, document.documentElement.scrollHeight)
    }
    return container.textContent?.length ?? 0
  },
}
