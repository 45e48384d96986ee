/**
 * The chats on the screen: one, or several side by side.
 */
import type { ReactNode } from 'react'
import type { Chat } from '../../chat/model'
import { useReadable, useStore } from '../../chat/react'
import { useStrings } from '../../strings'
import { IconButton } from '../common/IconButton'
import { Totals } from '../know/Totals'
import { ModelButton } from '../talk/ModelButton'
import { Transcript } from './Transcript'

/** Draws the chats; where there are several, each has a head with its model. */
export function ChatColumns({ chats }: { chats: readonly Chat[] }): ReactNode {
  const [only] = chats
  if (chats.length === 1 && only) return <Transcript key={only.id} chat={only} />
  return (
    <div className="columns" data-count={chats.length}>
      {chats.map((chat) => (
        <Column key={chat.id} chat={chat} />
      ))}
    </div>
  )
}

function Column({ chat }: { chat: Chat }): ReactNode {
  const store = useStore()
  const models = useReadable(store.models)
  const words = useStrings()
  const title = models.find((model) => model.name === chat.model)?.title ?? chat.model
  return (
    <div className="column">
      <div className="column-head">
        <ModelButton chat={chat} />
        <Totals {...chat} />
        <IconButton
          icon="close"
          label={words.chat.removeColumn(title)}
          onClick={() => store.removeColumn(chat.id)}
        />
      </div>
      <Transcript chat={chat} label={words.chat.column(title)} />
    </div>
  )
}
