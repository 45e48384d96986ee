/**
 * What the side bar shows of conversations: all of them, or those that were searched for.
 */
import type { ReactNode } from 'react'
import { useReadable, useStore } from '../../chat/react'
import { ConversationList } from './ConversationList'
import { Found } from './Found'

/** Draws the list; `onChosen` is called when one was opened. */
export function Conversations({ onChosen }: { onChosen: () => void }): ReactNode {
  const { search } = useReadable(useStore().library)
  return search.text.trim() === '' ? (
    <ConversationList onChosen={onChosen} />
  ) : (
    <Found search={search} onChosen={onChosen} />
  )
}
