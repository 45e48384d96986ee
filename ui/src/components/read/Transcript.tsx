/**
 * The messages of one chat, in a region that scrolls.
 */
import { type ReactNode, type RefObject, useEffect, useLayoutEffect, useRef } from 'react'
import type { Chat } from '../../chat/model'
import { useStore } from '../../chat/react'
import { useStrings } from '../../strings'
import { Icon } from '../common/icons'
import { later } from '../common/later'
import { useKeepPlace, useStick } from './useStick'

const Messages = later(async () => (await import('./Messages')).Messages, Loading)
const Speech = later(async () => (await import('./Speech')).Speech)

/** Draws the messages; new ones keep the end in sight for those who read there. */
export function Transcript({ chat, label }: { chat: Chat; label?: string }): ReactNode {
  const words = useStrings()
  const box = useRef<HTMLElement>(null)
  const { atEnd, toEnd } = useStick(box)
  const last = chat.messageIds.at(-1)
  useKeepPlace(box, chat.messageIds[0])
  // Who has just asked wants to see the answer, wherever they were reading.
  useEffect(() => {
    if (last !== undefined) toEnd()
  }, [last, toEnd])
  return (
    <div className="transcript">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reached by the keyboard */}
      <section className="scroll" ref={box} tabIndex={0} aria-label={label ?? words.chat.messages}>
        <div className="messages">
          <h2 className="unseen">{label ?? words.chat.messages}</h2>
          <Beginning chat={chat} />
          <Messages chat={chat} />
        </div>
      </section>
      {!atEnd && <LatestButton box={box} onPress={toEnd} />}
      {last !== undefined && <Speech chatId={chat.id} messageId={last} />}
    </div>
  )
}

function LatestButton({
  box,
  onPress,
}: {
  box: RefObject<HTMLElement | null>
  onPress: () => void
}): ReactNode {
  const { chat } = useStrings()
  const button = useRef<HTMLButtonElement>(null)
  // It goes when the end is in sight; what scrolls takes the focus then.
  useLayoutEffect(() => {
    const own = button.current
    return () => {
      if (own === document.activeElement) box.current?.focus({ preventScroll: true })
    }
  }, [box])
  return (
    <button ref={button} type="button" className="latest" onClick={onPress}>
      <Icon name="latest" />
      {chat.latest}
    </button>
  )
}

function Beginning({ chat }: { chat: Chat }): ReactNode {
  const words = useStrings()
  const store = useStore()
  const again = () => store.openChat(chat.id)
  switch (chat.load) {
    case 'loading':
      return chat.messageIds.length === 0 ? <p className="hint center">{words.chat.loading}</p> : null
    case 'unknown':
      return <p className="hint center">{words.chat.unknown}</p>
    case 'failed':
      return (
        <p className="hint center" role="alert">
          {words.chat.failed} {chat.loadFailure}{' '}
          <button type="button" className="link" onClick={again}>
            {words.chat.again}
          </button>
        </p>
      )
    case 'new':
      return chat.messageIds.length === 0 ? <Greeting temporary={chat.temporary} /> : null
    case 'ready':
      return chat.hasMore ? (
        <button type="button" className="quiet center" onClick={() => void store.loadOlder(chat.id)}>
          {words.chat.older}
        </button>
      ) : null
  }
}

function Greeting({ temporary }: { temporary: boolean }): ReactNode {
  const { chat } = useStrings()
  return (
    <div className="greeting">
      <img src="/icon.svg" alt="" width="56" height="56" />
      <p>{chat.greeting}</p>
      {temporary && <p className="hint">{chat.temporaryHint}</p>}
    </div>
  )
}

/** Says that messages are on their way: what draws them is. */
function Loading({ chat }: { chat: Chat }): ReactNode {
  const words = useStrings()
  return chat.messageIds.length === 0 ? null : <p className="hint center">{words.chat.loading}</p>
}
