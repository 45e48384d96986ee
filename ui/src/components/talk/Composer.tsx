/**
 * What stands below the chats: the form for a key, the box for prompts, and the line that tells of the connection.
 */
import { type ReactNode, useState } from 'react'
import type { Chat } from '../../chat/model'
import { useReadable, useStore } from '../../chat/react'
import { ConnectionBadge } from '../know/ConnectionBadge'
import { KeyForm } from '../know/KeyForm'
import { Totals } from '../know/Totals'
import { PromptBox } from './PromptBox'

/** Draws it for all columns. */
export function Composer({ chats }: { chats: readonly Chat[] }): ReactNode {
  const [first] = chats
  return (
    <div className="composer">
      <KeyForm />
      <PromptBox key={useBox()} chats={chats} />
      <div className="status-line">
        <ConnectionBadge />
        {chats.length === 1 && first && <Totals {...first} />}
      </div>
    </div>
  )
}

/** Names the box: it is another one where all columns are others, and the same where only some of them went or came. */
function useBox(): number {
  const columns = useReadable(useStore().columns)
  const [box, setBox] = useState({ columns, name: 0 })
  if (box.columns === columns) return box.name
  const name = columns.some((chatId) => box.columns.includes(chatId)) ? box.name : box.name + 1
  setBox({ columns, name })
  return name
}
