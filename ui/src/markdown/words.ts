/**
 * The words of this part of the page.
 */
import { type Strings, useStrings } from '../strings'

/** What people read or hear around code, tables and diagrams. */
export type MarkdownWords = Strings['markdown']

/** Gives the words in the language of the page. */
export function useWords(): MarkdownWords {
  return useStrings().markdown
}
