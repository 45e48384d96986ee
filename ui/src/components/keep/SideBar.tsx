/**
 * The side bar: what was talked about, and the ways to begin something new.
 */
import type { ReactNode } from 'react'
import { useReadable, useStore } from '../../chat/react'
import { useStrings } from '../../strings'
import { IconButton } from '../common/IconButton'
import { Icon } from '../common/icons'
import { later } from '../common/later'
import { SearchBox } from './SearchBox'
import { SideFoot } from './SideFoot'

const Conversations = later(async () => (await import('./Conversations')).Conversations, Loading)

interface SideBarProps {
  open: boolean
  onClose: () => void
  /** Called when something was chosen that shows in the main part of the page. */
  onChosen: () => void
}

/** Draws the bar. While it is closed it stays in the page, out of reach: what was searched for is there again. */
export function SideBar({ open, onClose, onChosen }: SideBarProps): ReactNode {
  const store = useStore()
  const words = useStrings()
  const server = useReadable(store.server)
  const { search } = useReadable(store.library)
  const begin = (temporary: boolean) => {
    store.newChat({ temporary })
    onChosen()
  }
  return (
    <nav id="side" className="side" aria-label={words.side.label} inert={!open} data-open={open}>
      <div className="side-head">
        <span className="brand">
          <img src="/icon.svg" alt="" width="24" height="24" />
          {words.app.title}
        </span>
        <IconButton icon="close" label={words.side.hide} className="side-hide" onClick={onClose} />
      </div>
      <div className="side-new">
        <button type="button" className="new-chat" onClick={() => begin(false)}>
          <Icon name="plus" />
          {words.side.newChat}
        </button>
        <IconButton icon="ghost" label={words.side.newTemporary} onClick={() => begin(true)} />
      </div>
      {server?.keepsConversations === false ? (
        <p className="hint side-hint">{words.side.notKept}</p>
      ) : (
        <>
          <SearchBox text={search.text} />
          <div className="side-scroll">
            <Conversations onChosen={onChosen} />
          </div>
        </>
      )}
      <SideFoot />
    </nav>
  )
}

function Loading(): ReactNode {
  return <p className="hint side-hint">{useStrings().side.loading}</p>
}
