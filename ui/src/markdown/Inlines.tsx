/**
 * The text in a block, from tokens to elements.
 */
import type { Tokens } from 'marked'
import type { ReactNode } from 'react'
import { decodeReferences } from './entities'
import { Formula } from './Formula'
import { safeAddress } from './links'
import { asTokens, type Token } from './tokens'

/** Nesting deeper than this is shown as it was written. */
export const MAX_DEPTH = 24

/** The one element of HTML that models write where Markdown has no other way: a new line in a cell of a table. */
const LINE_BREAK = /^<br\s*\/?>$/i

/** Draws the tokens of one line of text. `depth` counts what they are nested in, `isLinked` says if a link is among it. */
export function drawInlines(tokens: readonly Token[], depth: number, isLinked = false): ReactNode {
  return tokens.map((token, index) => drawInline(token, index, { depth, isLinked }))
}

interface Around {
  depth: number
  isLinked: boolean
}

function drawInline(token: Token, key: number, { depth, isLinked }: Around): ReactNode {
  if (depth > MAX_DEPTH) return token.raw
  const inner = () => drawInlines('tokens' in token ? asTokens(token.tokens) : [], depth + 1, isLinked)
  switch (token.type) {
    case 'text':
      return token.tokens ? inner() : drawText(token)
    case 'escape':
      return token.text
    case 'strong':
      return <strong key={key}>{inner()}</strong>
    case 'em':
      return <em key={key}>{inner()}</em>
    case 'del':
      return <del key={key}>{inner()}</del>
    case 'codespan':
      return <code key={key}>{token.text}</code>
    case 'br':
      return <br key={key} />
    case 'html':
      return LINE_BREAK.test(token.raw) ? <br key={key} /> : token.raw
    case 'link':
      return (
        <Link
          key={key}
          href={token.href}
          title={token.title}
          isLiteral={token.autolink === true}
          label={drawLabel(token, depth)}
        />
      )
    case 'image': {
      const label = decodeReferences(token.text) || token.href
      // A picture that is a link is written often, and there are no links in links.
      if (isLinked) return label
      return <Link key={key} href={token.href} title={token.title} isLiteral={false} label={label} />
    }
    case 'math':
      return (
        <Formula
          key={key}
          text={token.text}
          source={token.raw}
          isDisplay={token.display}
          isHalf={token.half}
        />
      )
    default:
      return token.raw
  }
}

function drawText(token: Tokens.Text): string {
  return token.escaped ? token.text : decodeReferences(token.text)
}

function drawLabel(token: Tokens.Link, depth: number): ReactNode {
  return token.autolink ? token.text : drawInlines(asTokens(token.tokens), depth + 1, true)
}

interface LinkProps {
  href: string
  title: string | null | undefined
  isLiteral: boolean
  label: ReactNode
}

/** An address that may be followed, as a link; any other as its words. Pictures are never loaded: they are links, too. */
function Link({ href, title, isLiteral, label }: LinkProps): ReactNode {
  const address = safeAddress(href, isLiteral)
  if (address === null) return label
  const hint = title ? { title: decodeReferences(title) } : {}
  return (
    <a className="md-link" href={address} target="_blank" rel="noopener noreferrer" {...hint}>
      {label}
    </a>
  )
}
