/**
 * Whether two tokens look the same on the page. Parts that were not read again are the same objects, so this is quick.
 */
import type { Tokens } from 'marked'
import { asTokens, type Token } from './tokens'

/** Compares two tokens, or items of lists, with all that is in them. */
export function isSameToken(before: Token | Tokens.ListItem, after: Token | Tokens.ListItem): boolean {
  if (before === after) return true
  if (before.type !== after.type || before.raw !== after.raw || before.type === 'table') return false
  return addressOf(before) === addressOf(after) && areSame(childrenOf(before), childrenOf(after))
}

/** Compares two lists of tokens. */
export function areSame(
  before: readonly (Token | Tokens.ListItem)[],
  after: readonly (Token | Tokens.ListItem)[],
): boolean {
  return (
    before.length === after.length &&
    before.every((token, index) => {
      const other = after[index]
      return other !== undefined && isSameToken(token, other)
    })
  )
}

function childrenOf(token: Token | Tokens.ListItem): readonly (Token | Tokens.ListItem)[] {
  if (token.type === 'list') return token.items
  return 'tokens' in token ? asTokens(token.tokens) : []
}

/** Reference links have the same source, wherever they lead; text in a half-written block may be shown shorter. */
function addressOf(token: Token | Tokens.ListItem): string {
  if (token.type === 'link' || token.type === 'image') return token.href
  return token.type === 'text' ? token.text : ''
}
