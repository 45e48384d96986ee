/**
 * Searches in all conversations.
 */
import type { ReactNode } from 'react'
import { useStore } from '../../chat/react'
import { useStrings } from '../../strings'
import { IconButton } from '../common/IconButton'
import { Icon } from '../common/icons'

/** The element's name, for those who send the focus there. */
export const SEARCH_ID = 'search'

/** Draws the box; what is typed is searched for, and Escape empties it. */
export function SearchBox({ text }: { text: string }): ReactNode {
  const store = useStore()
  const { side } = useStrings()
  return (
    <search className="search">
      <Icon name="search" />
      <input
        id={SEARCH_ID}
        type="text"
        aria-label={side.search}
        placeholder={side.search}
        autoComplete="off"
        value={text}
        onChange={(event) => store.searchFor(event.target.value)}
        onKeyDown={(event) => {
          if (event.key !== 'Escape' || text === '') return
          event.preventDefault()
          event.stopPropagation()
          store.searchFor('')
        }}
      />
      {text !== '' && (
        <IconButton icon="close" label={side.clearSearch} onClick={() => store.searchFor('')} />
      )}
    </search>
  )
}
