/**
 * The kept conversations: what is pinned, and the rest by the day.
 */
import { type ReactNode, useId, useState } from 'react'
import type { ConversationLine } from '../../chat/model'
import { useReadable, useStore } from '../../chat/react'
import { useStrings } from '../../strings'
import { type Age, ageOf } from '../../strings/format'
import { ConversationRow, type Renaming, type RowProps } from './ConversationRow'

/** Draws the list, or what is to be said instead of one. */
export function ConversationList({ onChosen }: { onChosen: () => void }): ReactNode {
  const store = useStore()
  const library = useReadable(store.library)
  const connection = useReadable(store.connection)
  const { side } = useStrings()
  // Kept here: while it is typed, an answer may move the line to another part of the list.
  const [renaming, setRenaming] = useState<Renaming | null>(null)
  const rows = { renaming, onRenaming: setRenaming, onChosen }
  const { load, failure, pinned, recent, hasMore } = library
  const isEmpty = pinned.length === 0 && recent.length === 0
  return (
    <>
      {load === 'loading' && isEmpty && <p className="hint side-hint">{side.loading}</p>}
      {/* What the whole page is refused for is said once, where something can be done. */}
      {load === 'failed' && connection.phase !== 'refused' && (
        <p className="hint side-hint danger" role="alert">
          {failure}
        </p>
      )}
      {load === 'ready' && isEmpty && <p className="hint side-hint">{side.empty}</p>}
      <Section title={side.pinned} lines={pinned} {...rows} />
      {groupByAge(recent, Date.now()).map(([age, lines]) => (
        <Section key={age} title={side[age]} lines={lines} {...rows} />
      ))}
      {hasMore && (
        <button type="button" className="quiet center" onClick={() => void store.loadMore()}>
          {side.more}
        </button>
      )}
    </>
  )
}

interface SectionProps extends Omit<RowProps, 'line'> {
  title: string
  lines: readonly ConversationLine[]
}

function Section({ title, lines, ...rows }: SectionProps): ReactNode {
  const id = useId()
  if (lines.length === 0) return null
  return (
    <section className="lines-section" aria-labelledby={id}>
      <h2 id={id}>{title}</h2>
      <ul className="lines">
        {lines.map((line) => (
          <ConversationRow key={line.id} line={line} {...rows} />
        ))}
      </ul>
    </section>
  )
}

/** Puts lines together that were changed on the same day, or about; they keep their order. */
export function groupByAge(lines: readonly ConversationLine[], now: number): [Age, ConversationLine[]][] {
  const groups = new Map<Age, ConversationLine[]>()
  for (const line of lines) {
    const age = ageOf(line.updatedAt, now)
    const group = groups.get(age)
    if (group) group.push(line)
    else groups.set(age, [line])
  }
  return [...groups]
}
