/**
 * A link to a conversation: a real one, so that it can be opened in another tab.
 */
import type { MouseEvent, ReactNode } from 'react'
import { useReadable, useStore } from '../../chat/react'

interface ChatLinkProps {
  chatId: string
  leafId?: string | null
  title?: string
  onChosen: () => void
  children: ReactNode
}

/** Draws the link; a plain press opens the conversation in this page. */
export function ChatLink({ chatId, leafId = null, title, onChosen, children }: ChatLinkProps): ReactNode {
  const store = useStore()
  const [shown] = useReadable(store.columns)
  const open = (event: MouseEvent) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return
    event.preventDefault()
    store.openChat(chatId, leafId === null ? {} : { leafId })
    onChosen()
  }
  return (
    <a
      href={`/c/${encodeURIComponent(chatId)}`}
      title={title}
      aria-current={shown === chatId ? 'page' : undefined}
      onClick={open}
    >
      {children}
    </a>
  )
}
