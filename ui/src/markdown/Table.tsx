/**
 * A table, in a frame that scrolls where the table is wider than the page.
 */
import type { Tokens } from 'marked'
import { memo, type ReactNode } from 'react'
import { drawInlines } from './Inlines'
import { areSame } from './same'
import { asTokens } from './tokens'
import { useWords } from './words'

const MAX_NAME_CHARACTERS = 100

/** Draws a table. The frame takes the focus, so that it can be scrolled by keyboard. */
export function Table({ token }: { token: Tokens.Table }): ReactNode {
  const words = useWords()
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset is a part of a form
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <div role="group" className="md-table" aria-label={`${words.table}: ${nameOf(token)}`} tabIndex={0}>
      <table>
        <thead>
          <Row cells={token.header} />
        </thead>
        {token.rows.length > 0 && (
          <tbody>
            {token.rows.map((cells, index) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: rows have no other name, and never change their places
              <Row key={index} cells={cells} />
            ))}
          </tbody>
        )}
      </table>
    </div>
  )
}

/** What a table is called aloud: its columns tell it from others. */
function nameOf(token: Tokens.Table): string {
  return token.header
    .map((cell) => cell.text)
    .join(', ')
    .slice(0, MAX_NAME_CHARACTERS)
}

interface RowProps {
  cells: readonly Tokens.TableCell[]
}

const Row = memo(
  function Row({ cells }: RowProps): ReactNode {
    return (
      <tr>
        {cells.map((cell, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: cells have no other name, and never change their places
          <Cell key={index} cell={cell} />
        ))}
      </tr>
    )
  },
  (before, after) => areSameCells(before.cells, after.cells),
)

function Cell({ cell }: { cell: Tokens.TableCell }): ReactNode {
  const content = drawInlines(asTokens(cell.tokens), 0)
  const className = cell.align ? `md-${cell.align}` : undefined
  return cell.header ? (
    <th className={className} scope="col" dir="auto">
      {content}
    </th>
  ) : (
    <td className={className} dir="auto">
      {content}
    </td>
  )
}

function areSameCells(before: readonly Tokens.TableCell[], after: readonly Tokens.TableCell[]): boolean {
  return (
    before.length === after.length &&
    before.every(
      (cell, index) =>
        cell.align === after[index]?.align && areSame(asTokens(cell.tokens), asTokens(after[index]?.tokens)),
    )
  )
}
