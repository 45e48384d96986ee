/**
 * A button that puts text on the clipboard, and says for a moment that it did.
 */
import { type ReactNode, useEffect, useState } from 'react'
import { useStrings } from '../../strings'
import { copyText } from './copyText'
import { IconButton } from './IconButton'

const SHOWN_MS = 2000

/** Draws the button; `read` gives the text when it is pressed. */
export function CopyAction({ read }: { read: () => string }): ReactNode {
  const { message } = useStrings()
  const [state, setState] = useState<'idle' | 'copied' | 'failed'>('idle')
  useEffect(() => {
    if (state === 'idle') return
    const timer = setTimeout(() => setState('idle'), SHOWN_MS)
    return () => clearTimeout(timer)
  }, [state])
  const label = { idle: message.copy, copied: message.copied, failed: message.copyFailed }[state]
  const copy = async () => setState((await copyText(read())) ? 'copied' : 'failed')
  return <IconButton icon={state === 'copied' ? 'check' : 'copy'} label={label} onClick={copy} />
}
