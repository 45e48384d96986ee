/**
 * The line above the chat: the way to the side bar, the model, and comparing.
 */
import type { ReactNode } from 'react'
import type { Chat } from '../../chat/model'
import { useStore } from '../../chat/react'
import { useStrings } from '../../strings'
import { AddColumn } from '../talk/AddColumn'
import { ModelButton } from '../talk/ModelButton'
import { IconButton } from './IconButton'
import { Icon } from './icons'

interface TopBarProps {
  chats: readonly Chat[]
  sideOpen: boolean
  onSide: () => void
}

/** Draws the line. */
export function TopBar({ chats, sideOpen, onSide }: TopBarProps): ReactNode {
  const store = useStore()
  const words = useStrings()
  const [first] = chats
  return (
    <div className="top-bar">
      {!sideOpen && (
        <>
          <IconButton
            icon="menu"
            label={words.side.open}
            aria-expanded={false}
            aria-controls="side"
            onClick={onSide}
          />
          <IconButton icon="plus" label={words.side.newChat} onClick={() => store.newChat()} />
        </>
      )}
      <h1 className="unseen">{first?.title || words.chat.untitled}</h1>
      {chats.length === 1 && first && <ModelButton chat={first} />}
      {first?.temporary && (
        <p className="temporary" title={words.chat.temporaryHint}>
          <Icon name="ghost" />
          <span>{words.chat.temporary}</span>
        </p>
      )}
      <span className="gap" />
      <AddColumn />
    </div>
  )
}
