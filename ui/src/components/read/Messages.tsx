/**
 * The messages of one chat, one below the other.
 */
import { memo, type ReactNode } from 'react'
import type { Chat } from '../../chat/model'
import { useReadable, useStore } from '../../chat/react'
import { AnswerView } from './AnswerView'
import { PromptView } from './PromptView'

/** Draws all that are loaded. */
export function Messages({ chat }: { chat: Chat }): ReactNode {
  return chat.messageIds.map((id) => (
    <MessageView key={id} chatId={chat.id} messageId={id} busy={chat.runningId !== null} />
  ))
}

interface MessageViewProps {
  chatId: string
  messageId: string
  busy: boolean
}

/** Each message listens for itself: while one grows, the others are not drawn again. */
const MessageView = memo(function MessageView({ chatId, messageId, busy }: MessageViewProps): ReactNode {
  const message = useReadable(useStore().message(chatId, messageId))
  if (message === null) return null
  return message.role === 'user' ? (
    <PromptView chatId={chatId} message={message} busy={busy} />
  ) : (
    <AnswerView chatId={chatId} message={message} busy={busy} />
  )
})
