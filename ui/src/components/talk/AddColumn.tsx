/**
 * Puts another model beside the ones that answer.
 */
import { type ReactNode, useState } from 'react'
import { useReadable, useStore } from '../../chat/react'
import { useStrings } from '../../strings'
import { IconButton } from '../common/IconButton'
import { ModelPicker } from './laterParts'

const MOST_COLUMNS = 4

/** Draws the button; it asks for the model. */
export function AddColumn(): ReactNode {
  const store = useStore()
  const columns = useReadable(store.columns)
  const { chat } = useStrings()
  const [open, setOpen] = useState(false)
  return (
    <>
      <IconButton
        icon="columns"
        label={chat.addColumn}
        aria-haspopup="dialog"
        disabled={columns.length >= MOST_COLUMNS}
        onClick={() => setOpen(true)}
      />
      {open && (
        <ModelPicker
          title={chat.addColumn}
          current=""
          onClose={() => setOpen(false)}
          onChoose={(name) => store.addColumn(name)}
        />
      )}
    </>
  )
}
