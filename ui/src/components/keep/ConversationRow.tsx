/**
 * One conversation of the list, and what can be done with it.
 */
import { type ReactNode, useRef } from 'react'
import type { ChatStore, ConversationLine } from '../../chat/model'
import { useStore } from '../../chat/react'
import { type Strings, useStrings } from '../../strings'
import { download } from '../common/download'
import { focusLater } from '../common/focus'
import { Menu, type MenuItem } from '../common/Menu'
import { isComposing } from '../talk/GrowingText'
import { ChatLink } from './ChatLink'

/** The conversation that is being renamed, and its title as far as it is typed. */
export interface Renaming {
  chatId: string
  title: string
}

/** What a line is drawn with. */
export interface RowProps {
  line: ConversationLine
  renaming: Renaming | null
  onRenaming: (renaming: Renaming | null) => void
  onChosen: () => void
}

/** Draws the line: a link and a menu of actions, or the field for its new title. */
export function ConversationRow({ line, renaming, onRenaming, onChosen }: RowProps): ReactNode {
  const store = useStore()
  const words = useStrings()
  const row = useRef<HTMLLIElement>(null)
  const title = line.title || words.side.untitled
  const onDone = () => {
    onRenaming(null)
    // The link is there again after the next drawing.
    focusLater(() => row.current?.querySelector('a'))
  }
  const rename = (next: string) => onRenaming({ chatId: line.id, title: next })
  if (renaming?.chatId === line.id) {
    return (
      <li className="line" ref={row}>
        <RenameForm line={line} title={renaming.title} onTitle={rename} onDone={onDone} />
      </li>
    )
  }
  return (
    <li className="line" ref={row}>
      <ChatLink chatId={line.id} title={title} onChosen={onChosen}>
        <span className="line-title">{title}</span>
      </ChatLink>
      <Menu
        label={words.side.actions(title)}
        items={listActions(store, line, words, () => rename(line.title))}
      />
    </li>
  )
}

function listActions(
  store: ChatStore,
  line: ConversationLine,
  { side }: Strings,
  rename: () => void,
): MenuItem[] {
  const isPinned = line.pinnedAt !== null
  return [
    { icon: 'edit', label: side.rename, run: rename },
    { icon: 'pin', label: isPinned ? side.unpin : side.pin, run: () => void pin(store, line.id, !isPinned) },
    { icon: 'download', label: side.exportMarkdown, run: () => void save(store, line.id, 'markdown') },
    { icon: 'download', label: side.exportJson, run: () => void save(store, line.id, 'json') },
    { icon: 'remove', label: side.remove, danger: true, run: () => void store.remove(line.id) },
  ]
}

/** The line goes to another part of the list, and the focus with it. */
async function pin(store: ChatStore, chatId: string, wanted: boolean): Promise<void> {
  await store.pin(chatId, wanted)
  focusLater(() => document.querySelector<HTMLElement>(`.line a[href="/c/${encodeURIComponent(chatId)}"]`))
}

async function save(store: ChatStore, chatId: string, format: 'json' | 'markdown'): Promise<void> {
  try {
    const { name, blob } = await store.exportChat(chatId, format)
    download(name, blob)
  } catch {
    // The notice says why there is no file.
  }
}

interface RenameFormProps {
  line: ConversationLine
  title: string
  onTitle: (title: string) => void
  onDone: () => void
}

function RenameForm({ line, title, onTitle, onDone }: RenameFormProps): ReactNode {
  const store = useStore()
  const { side } = useStrings()
  const finished = useRef(false)
  const finish = (keep: boolean) => {
    // Leaving the field by a key takes it away, and that leaves it once more.
    if (finished.current) return
    finished.current = true
    const wanted = title.trim()
    if (keep && wanted !== '' && wanted !== line.title) void store.rename(line.id, wanted)
    onDone()
  }
  return (
    <form
      className="rename"
      onSubmit={(event) => {
        event.preventDefault()
        finish(true)
      }}
    >
      <input
        ref={(input) => {
          if (!input || document.activeElement === input) return
          input.focus()
          // What is there is replaced by typing, but not what was typed before the line moved.
          input.setSelectionRange(title === line.title ? 0 : title.length, title.length)
        }}
        aria-label={side.newTitle}
        maxLength={200}
        dir="auto"
        value={title}
        onChange={(event) => onTitle(event.target.value)}
        onBlur={() => finish(true)}
        onKeyDown={(event) => {
          if (event.key !== 'Escape' || isComposing(event)) return
          event.stopPropagation()
          finish(false)
        }}
      />
    </form>
  )
}
