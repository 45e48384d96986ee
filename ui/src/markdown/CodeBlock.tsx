/**
 * Code with its language and a button to copy it.
 */
import { memo, type ReactNode, useMemo } from 'react'
import { CopyButton } from './CopyButton'
import { highlighter, type Span } from './highlight'
import { useLazy } from './lazy'
import { useWords } from './words'

/** Colours cost time: code beyond this is shown plain. */
const MAX_HIGHLIGHTED_CHARACTERS = 50_000
/** Code that grows is drawn in parts of about this size, so that only the last is laid out again. */
const PART_CHARACTERS = 2048

interface CodeBlockProps {
  text: string
  /** As it was written; empty where none was. */
  language: string
  /** Whether it is complete: colours come only then, because half a program is coloured wrongly. */
  isClosed: boolean
  /** What stands beside the copy button, such as a switch. */
  extra?: ReactNode
}

/** Draws a block of code. Its frame takes the focus, so that wide lines can be scrolled by keyboard. */
export function CodeBlock({ text, language, isClosed, extra }: CodeBlockProps): ReactNode {
  const words = useWords()
  const label = language ? `${words.code}, ${language}` : words.code
  return (
    <figure className="md-code">
      <figcaption className="md-code-bar">
        <span className="md-code-language">{language}</span>
        {extra}
        <CopyButton text={text} />
      </figcaption>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      {/* biome-ignore lint/a11y/useSemanticElements: a group of fields it is not, and a landmark for each would be noise */}
      <pre tabIndex={0} role="group" aria-label={label} dir="ltr">
        <code>{isClosed ? <Highlighted text={text} language={language} /> : <Growing text={text} />}</code>
      </pre>
    </figure>
  )
}

function Growing({ text }: { text: string }): ReactNode {
  // biome-ignore lint/suspicious/noArrayIndexKey: the text only grows, so a part keeps its place
  return partsOf(text).map((part, index) => <Part key={index} text={part} />)
}

const Part = memo(function Part({ text }: { text: string }): ReactNode {
  return <span className="md-code-part">{text}</span>
})

function partsOf(text: string): string[] {
  const parts: string[] = []
  let from = 0
  while (from < text.length) {
    const lineEnd = text.indexOf('\n', from + PART_CHARACTERS)
    const to = lineEnd < 0 ? text.length : lineEnd + 1
    parts.push(text.slice(from, to))
    from = to
  }
  return parts
}

function Highlighted({ text, language }: { text: string; language: string }): ReactNode {
  const isWanted = language !== '' && text.length <= MAX_HIGHLIGHTED_CHARACTERS
  const highlight = useLazy(highlighter, isWanted)
  const spans = useMemo(() => highlight?.(text, language) ?? null, [highlight, text, language])
  return spans ? drawSpans(spans) : text
}

function drawSpans(spans: readonly Span[]): ReactNode {
  return spans.map((span, index) =>
    typeof span === 'string' ? (
      span
    ) : (
      // biome-ignore lint/suspicious/noArrayIndexKey: finished code does not change
      <span key={index} className={span.className}>
        {drawSpans(span.children)}
      </span>
    ),
  )
}
