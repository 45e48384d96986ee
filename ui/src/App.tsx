/**
 * The page: side bar, chats, the box for prompts, and what is to be known of the server.
 */
import { type MouseEvent, type ReactNode, useEffect, useState } from 'react'
import type { Chat, ChatStore, Readable } from './chat/model'
import { StoreProvider, useReadable, useStore } from './chat/react'
import { Crash } from './components/common/Crash'
import { PROMPT_ID } from './components/common/focus'
import { later } from './components/common/later'
import { type Panel, PanelsContext } from './components/common/panels'
import { type Preferences, usePreferences } from './components/common/preferences'
import { type Command, useShortcuts } from './components/common/shortcuts'
import { TopBar } from './components/common/TopBar'
import { useCommands } from './components/common/useCommands'
import { useReadables } from './components/common/useReadables'
import { useSide } from './components/common/useSide'
import { SideBar } from './components/keep/SideBar'
import { UndoToast } from './components/keep/UndoToast'
import { NewVersion, Notice, ServerBanner } from './components/know/Banners'
import { ChatColumns } from './components/read/ChatColumns'
import { Composer } from './components/talk/Composer'
import {
  type Language,
  loadedStrings,
  loadStrings,
  type Strings,
  StringsContext,
  useStrings,
} from './strings'

const PreferencesDialog = later(
  async () => (await import('./components/common/PreferencesDialog')).PreferencesDialog,
)
const ShortcutsDialog = later(
  async () => (await import('./components/common/ShortcutsDialog')).ShortcutsDialog,
)

interface AppProps {
  store: ChatStore
  /** Whether the server has a newer page than this one. */
  outdated: Readable<boolean>
}

/** Draws the whole page on a store. */
export function App({ store, outdated }: AppProps): ReactNode {
  const [preferences, change] = usePreferences()
  return (
    <StringsContext value={useTable(preferences.language)}>
      <StoreProvider store={store}>
        <Crash>
          <Page preferences={preferences} onPreferences={change} />
          <div className="toast-area">
            <Notice />
            <UndoToast />
            {useReadable(outdated) && <NewVersion />}
          </div>
        </Crash>
      </StoreProvider>
    </StringsContext>
  )
}

/** Gives the words of a language; those that are there, until they are loaded. */
function useTable(language: Language): Strings {
  const [table, setTable] = useState(() => loadedStrings(language))
  useEffect(() => {
    let isWanted = true
    void loadStrings(language).then((loaded) => isWanted && setTable(loaded))
    return () => {
      isWanted = false
    }
  }, [language])
  return table
}

interface PageProps {
  preferences: Preferences
  onPreferences: (change: Partial<Preferences>) => void
}

function Page({ preferences, onPreferences }: PageProps): ReactNode {
  const store = useStore()
  const words = useStrings()
  const columns = useReadable(store.columns)
  const chats = useReadables(columns.map((chatId) => store.chat(chatId)))
  const side = useSide()
  const [panel, setPanel] = useState<Panel | null>(null)
  const commands = useCommands({ chats, side, show: setPanel })
  useShortcuts(preferences.singleKeys, commands.run)
  useTitle(chats[0])
  const closePanel = () => setPanel(null)
  return (
    <PanelsContext value={{ show: setPanel }}>
      <a className="skip" href={`#${PROMPT_ID}`} onClick={(event) => skip(event, commands.run)}>
        {words.app.skip}
      </a>
      <div className="app" data-side={side.open}>
        <SideBar open={side.open} onClose={side.toggle} onChosen={side.chosen} />
        {side.covers && <div className="shade" onPointerDown={side.toggle} />}
        <main className="area" inert={side.covers}>
          <TopBar chats={chats} sideOpen={side.open} onSide={side.toggle} />
          <ServerBanner />
          <div className="chats">
            <ChatColumns chats={chats} />
          </div>
          <Composer chats={chats} />
        </main>
      </div>
      <p role="status" className="unseen">
        {commands.said}
      </p>
      {panel === 'preferences' && (
        <PreferencesDialog preferences={preferences} onChange={onPreferences} onClose={closePanel} />
      )}
      {panel === 'shortcuts' && (
        <ShortcutsDialog
          singleKeys={preferences.singleKeys}
          onSingleKeys={(singleKeys: boolean) => onPreferences({ singleKeys })}
          onClose={closePanel}
        />
      )}
    </PanelsContext>
  )
}

/** Following the link would be going to another address, at which the store would show the chat anew. */
function skip(event: MouseEvent, run: (command: Command) => boolean): void {
  event.preventDefault()
  run('focus')
}

function useTitle(chat: Chat | undefined): void {
  const { app } = useStrings()
  const title = chat?.title ? `${chat.title} · ${app.title}` : app.title
  useEffect(() => {
    document.title = title
  }, [title])
}
