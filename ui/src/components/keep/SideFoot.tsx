/**
 * The foot of the side bar: import, appearance, keyboard. Signing in, usage and administration belong here too.
 */
import { type ReactNode, useRef } from 'react'
import { useReadable, useStore } from '../../chat/react'
import { useStrings } from '../../strings'
import { IconButton } from '../common/IconButton'
import { usePanels } from '../common/panels'

/** Draws the buttons. */
export function SideFoot(): ReactNode {
  const words = useStrings()
  const server = useReadable(useStore().server)
  const { show } = usePanels()
  return (
    <div className="side-foot">
      <IconButton
        icon="theme"
        label={words.preferences.title}
        aria-haspopup="dialog"
        onClick={() => show('preferences')}
      />
      <IconButton
        icon="keyboard"
        label={words.shortcuts.open}
        aria-haspopup="dialog"
        onClick={() => show('shortcuts')}
      />
      {server?.keepsConversations !== false && <ImportButton />}
      {server && (
        <span className="hint version">
          {server.region} · {server.version}
        </span>
      )}
    </div>
  )
}

function ImportButton(): ReactNode {
  const store = useStore()
  const { side } = useStrings()
  const input = useRef<HTMLInputElement>(null)
  return (
    <>
      <IconButton icon="upload" label={side.import} onClick={() => input.current?.click()} />
      <input
        ref={input}
        type="file"
        hidden
        accept=".json,application/json"
        aria-label={side.import}
        onChange={(event) => {
          const [file] = event.target.files ?? []
          if (file) void store.importChat(file)
          event.target.value = ''
        }}
      />
    </>
  )
}
