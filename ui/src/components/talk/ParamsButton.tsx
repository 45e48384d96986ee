/**
 * Opens the settings of the answer.
 */
import { type ReactNode, useState } from 'react'
import type { ModelInfo } from '../../chat/model'
import { useReadable, useStore } from '../../chat/react'
import { useStrings } from '../../strings'
import { IconButton } from '../common/IconButton'
import { ParamsDialog } from './laterParts'
import { countChanges } from './paramRules'

/** Draws the button, marked where something is not as by default. */
export function ParamsButton({ models }: { models: readonly (ModelInfo | undefined)[] }): ReactNode {
  const params = useReadable(useStore().params)
  const { talk } = useStrings()
  const [open, setOpen] = useState(false)
  return (
    <>
      <IconButton
        icon="settings"
        label={talk.settings}
        aria-haspopup="dialog"
        data-changed={countChanges(params) > 0}
        onClick={() => setOpen(true)}
      />
      {open && <ParamsDialog models={models} onClose={() => setOpen(false)} />}
    </>
  )
}
