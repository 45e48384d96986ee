/**
 * What the keys' commands do.
 */
import { useState } from 'react'
import type { Chat, ChatStore } from '../../chat/model'
import { useStore } from '../../chat/react'
import { useStrings } from '../../strings'
import { SEARCH_ID } from '../keep/SearchBox'
import { textOf } from '../read/textOf'
import { copyText } from './copyText'
import { PROMPT_ID } from './focus'
import type { Panel } from './panels'
import type { Command } from './shortcuts'
import type { Side } from './useSide'

interface Surroundings {
  chats: readonly Chat[]
  side: Side
  show: (panel: Panel) => void
}

interface Commands {
  /** Does a command; false where there is nothing to do, so that the key keeps its own meaning. */
  run: (command: Command) => boolean
  /** What screen readers are to hear of the last one. */
  said: string
}

/** Gives the commands for what is on the screen. */
export function useCommands({ chats, side, show }: Surroundings): Commands {
  const store = useStore()
  const { message } = useStrings()
  const [said, setSaid] = useState('')
  const copyLast = () => {
    const text = findLastAnswer(store, chats[0])
    if (text === null) return false
    void copyText(text).then((copied) => setSaid(copied ? message.copied : message.copyFailed))
    return true
  }
  const run = (command: Command): boolean => {
    switch (command) {
      case 'stop':
        // There Escape closes the side bar.
        return !side.covers && stopAll(store, chats)
      case 'focus':
        return focus(PROMPT_ID)
      case 'newChat':
        store.newChat()
        return true
      case 'search':
        if (!side.open) side.toggle()
        // A side bar that was closed takes the focus only once it is drawn open.
        requestAnimationFrame(() => focus(SEARCH_ID))
        return true
      case 'models':
        document.querySelector<HTMLElement>('.model-button')?.click()
        return true
      case 'side':
        side.toggle()
        return true
      case 'copy':
        return copyLast()
      case 'help':
        show('shortcuts')
        return true
    }
  }
  return { run, said }
}

function focus(id: string): boolean {
  const element = document.getElementById(id)
  element?.focus()
  return element !== null
}

function stopAll(store: ChatStore, chats: readonly Chat[]): boolean {
  const running = chats.filter((chat) => chat.runningId !== null)
  for (const chat of running) store.stop(chat.id)
  return running.length > 0
}

function findLastAnswer(store: ChatStore, chat: Chat | undefined): string | null {
  if (!chat) return null
  const answers = chat.messageIds.map((id) => store.message(chat.id, id).get())
  const last = answers.findLast((message) => message?.role === 'assistant')
  return last ? textOf(last.pieces) : null
}
