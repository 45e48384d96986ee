/**
 * Stops the answers that are being made.
 */
import { type ReactNode, useLayoutEffect, useRef } from 'react'
import type { Chat } from '../../chat/model'
import { useStore } from '../../chat/react'
import { useStrings } from '../../strings'
import { focusPrompt } from '../common/focus'
import { Icon } from '../common/icons'
import { useReadables } from '../common/useReadables'

/** Draws the button; until the server has said that the answers ended, it says that they are being stopped. */
export function StopButton({ chats }: { chats: readonly Chat[] }): ReactNode {
  const store = useStore()
  const { talk } = useStrings()
  const running = chats.filter((chat) => chat.runningId !== null)
  const answers = useReadables(running.map((chat) => store.message(chat.id, chat.runningId ?? '')))
  const stopping = answers.length > 0 && answers.every((answer) => answer?.stopping === true)
  const own = useRef<HTMLButtonElement>(null)
  // When the answers have ended the button goes away, and the focus with it.
  useLayoutEffect(() => {
    const button = own.current
    return () => {
      if (button !== null && button === document.activeElement) requestAnimationFrame(focusPrompt)
    }
  }, [])
  return (
    <button
      ref={own}
      type="button"
      className="send stop"
      aria-disabled={stopping}
      onClick={() => {
        if (!stopping) for (const chat of running) store.stop(chat.id)
      }}
    >
      <Icon name="stop" />
      <span>{stopping ? talk.stopping : talk.stop}</span>
    </button>
  )
}
