/**
 * Which addresses a model may put on the page.
 */
import { decodeReferences } from './entities'

const SCHEMES: ReadonlySet<string> = new Set(['http:', 'https:', 'mailto:'])
const MAX_CHARACTERS = 4096

/**
 * Gives the address as the browser will use it, or null where it may not be followed.
 *
 * The browser's own parser reads it, and what it read is what is used: so no way of writing a scheme (spaces, control
 * characters, references) can mean one thing here and another there. An address without a scheme would lead into this
 * server, which the model does not know: it is refused, too.
 *
 * @param isLiteral Whether references such as `&amp;` in it are part of the address, as in an autolink.
 */
export function safeAddress(href: string, isLiteral = false): string | null {
  if (href.length > MAX_CHARACTERS) return null
  const url = URL.parse(isLiteral ? href : decodeReferences(href))
  return url && SCHEMES.has(url.protocol) ? url.href : null
}
