/**
 * What a search found.
 */
import type { ReactNode } from 'react'
import type { FoundLine, Library } from '../../chat/model'
import { useStore } from '../../chat/react'
import { useStrings } from '../../strings'
import { ChatLink } from './ChatLink'
import { cutAtMarks } from './snippet'

/** Draws the places that were found; choosing one opens its conversation with its branch. */
export function Found({ search, onChosen }: { search: Library['search']; onChosen: () => void }): ReactNode {
  const store = useStore()
  const { side } = useStrings()
  const { found, load, hasMore } = search
  return (
    <>
      <p className="hint side-hint" role="status">
        {load === 'loading' && side.loading}
        {/* The notice says why a search failed. */}
        {load === 'ready' && (found.length === 0 ? side.nothingFound : side.found(found.length))}
      </p>
      <ul className="lines">
        {found.map((line) => (
          <FoundItem key={`${line.conversation.id} ${line.messageId}`} line={line} onChosen={onChosen} />
        ))}
      </ul>
      {hasMore && (
        <button type="button" className="quiet center" onClick={() => void store.loadMore()}>
          {side.more}
        </button>
      )}
    </>
  )
}

function FoundItem({ line, onChosen }: { line: FoundLine; onChosen: () => void }): ReactNode {
  const { side } = useStrings()
  const { conversation, messageId, snippet, marks } = line
  return (
    <li className="line found">
      <ChatLink chatId={conversation.id} leafId={messageId} onChosen={onChosen}>
        <span className="line-title">{conversation.title || side.untitled}</span>
        <span className="snippet">
          {cutAtMarks(snippet, marks).map(({ at, text, marked }) =>
            marked ? <mark key={at}>{text}</mark> : <span key={at}>{text}</span>,
          )}
        </span>
      </ChatLink>
    </li>
  )
}
