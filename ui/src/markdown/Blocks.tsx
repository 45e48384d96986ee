/**
 * The blocks of an answer, from tokens to elements. There is no HTML in between: what a model writes as HTML is text.
 */
import type { Tokens } from 'marked'
import { memo, type ReactNode } from 'react'
import { CodeBlock } from './CodeBlock'
import { Diagram } from './Diagram'
import { Formula } from './Formula'
import { isClosedFence } from './fence'
import { drawInlines, MAX_DEPTH } from './Inlines'
import { isSameToken } from './same'
import { Table } from './Table'
import { asTokens, type Token } from './tokens'
import { useWords } from './words'

/** How a block is drawn: `live` while it may change, `depth` counts what it is nested in. */
export interface Place {
  live: boolean
  depth: number
}

/** Draws one block. */
export function drawBlock(token: Token, place: Place): ReactNode {
  if (place.depth > MAX_DEPTH) return <Plain text={token.raw} />
  switch (token.type) {
    case 'paragraph':
      return <p dir="auto">{drawInlines(asTokens(token.tokens), place.depth)}</p>
    case 'heading':
      return <Heading token={token} />
    case 'code':
      return <Code token={token} live={place.live} />
    case 'list':
      return <List token={token} place={place} />
    case 'blockquote':
      return <blockquote dir="auto">{drawAll(asTokens(token.tokens), place)}</blockquote>
    case 'table':
      return <Table token={token} />
    case 'hr':
      return <hr />
    case 'math':
      return <Formula text={token.text} source={token.raw} isDisplay={token.display} isHalf={token.half} />
    case 'html':
      return <Plain text={token.raw.trimEnd()} />
    case 'checkbox':
      return <Box isChecked={token.checked} />
    case 'space':
    case 'def':
      return null
    default:
      return drawInlines([token], place.depth)
  }
}

/** Draws blocks that are in another block; only the last of them can be live. */
function drawAll(tokens: readonly Token[], place: Place): ReactNode {
  const depth = place.depth + 1
  const last = tokens.length - 1
  return tokens.map((token, index) => (
    // biome-ignore lint/suspicious/noArrayIndexKey: an answer only grows, so what is in a block keeps its place
    <Nested key={`${token.type}${index}`} token={token} live={place.live && index === last} depth={depth} />
  ))
}

interface NestedProps extends Place {
  token: Token
}

function Nested({ token, live, depth }: NestedProps): ReactNode {
  return drawBlock(token, { live, depth })
}

/** What is not markup, with its line ends. */
function Plain({ text }: { text: string }): ReactNode {
  return (
    <p className="md-plain" dir="auto">
      {text}
    </p>
  )
}

const HEADINGS = ['h3', 'h4', 'h5', 'h6'] as const

/** The page has headings of the first two levels; an answer's begin below them. */
function Heading({ token }: { token: Tokens.Heading }): ReactNode {
  const Tag = HEADINGS[token.depth - 1] ?? 'h6'
  return (
    <Tag className={`md-h${token.depth}`} dir="auto">
      {drawInlines(asTokens(token.tokens), 0)}
    </Tag>
  )
}

function Code({ token, live }: { token: Tokens.Code; live: boolean }): ReactNode {
  const isClosed = !live || isClosedFence(token)
  // A name in the first line, which is not over, would be spelled out letter by letter.
  const name = live && !token.raw.includes('\n') ? '' : (token.lang ?? '')
  const language = /^[^\s{,]*/.exec(name)?.[0] ?? ''
  if (language === 'mermaid' && isClosed) return <Diagram source={token.text} />
  return <CodeBlock text={token.text} language={language} isClosed={isClosed} />
}

function List({ token, place }: { token: Tokens.List; place: Place }): ReactNode {
  const last = token.items.length - 1
  const items = token.items.map((item, index) => (
    // biome-ignore lint/suspicious/noArrayIndexKey: an answer only grows, so an item keeps its place
    <ListItem key={index} item={item} live={place.live && index === last} depth={place.depth} />
  ))
  const start = typeof token.start === 'number' && token.start !== 1 ? { start: token.start } : {}
  return token.ordered ? <ol {...start}>{items}</ol> : <ul>{items}</ul>
}

interface ListItemProps extends Place {
  item: Tokens.ListItem
}

/** Of a long list that grows, only the last item is drawn again. */
const ListItem = memo(
  function ListItem({ item, live, depth }: ListItemProps): ReactNode {
    return (
      <li dir="auto" className={item.task ? 'md-task' : undefined}>
        {drawAll(asTokens(item.tokens), { live, depth })}
      </li>
    )
  },
  (before, after) => before.live === after.live && !after.live && isSameToken(before.item, after.item),
)

function Box({ isChecked }: { isChecked: boolean }): ReactNode {
  const words = useWords()
  return (
    <input
      type="checkbox"
      checked={isChecked}
      disabled
      readOnly
      aria-label={isChecked ? words.done : words.toDo}
    />
  )
}
