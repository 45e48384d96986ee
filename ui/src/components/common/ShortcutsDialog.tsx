/**
 * The list of keys.
 */
import type { ReactNode } from 'react'
import { useStrings } from '../../strings'
import { Dialog } from './Dialog'
import { COMMANDS } from './shortcuts'

interface ShortcutsDialogProps {
  singleKeys: boolean
  onSingleKeys: (wanted: boolean) => void
  onClose: () => void
}

/** Draws the list, and the switch for keys that are pressed alone. */
export function ShortcutsDialog({ singleKeys, onSingleKeys, onClose }: ShortcutsDialogProps): ReactNode {
  const { shortcuts } = useStrings()
  return (
    <Dialog title={shortcuts.title} onClose={onClose}>
      <dl className="keys">
        <Line name={shortcuts.send} keys={['Enter']} />
        <Line name={shortcuts.newLine} keys={['Shift Enter']} />
        {COMMANDS.map(({ command, single, chord }) => (
          <Line
            key={command}
            name={shortcuts[command]}
            keys={[
              ...(single && (singleKeys || single === 'Escape') ? [single] : []),
              ...(chord ? [chord] : []),
            ]}
          />
        ))}
      </dl>
      <label className="switch">
        <input
          type="checkbox"
          checked={singleKeys}
          onChange={(event) => onSingleKeys(event.target.checked)}
        />
        {shortcuts.single}
      </label>
    </Dialog>
  )
}

function Line({ name, keys }: { name: string; keys: readonly string[] }): ReactNode {
  if (keys.length === 0) return null
  return (
    <div>
      <dt>{name}</dt>
      {keys.map((chord) => (
        <dd key={chord}>
          {chord.split(' ').map((key) => (
            <kbd key={key}>{key}</kbd>
          ))}
        </dd>
      ))}
    </div>
  )
}
