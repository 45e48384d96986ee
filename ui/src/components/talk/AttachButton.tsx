/**
 * Chooses files for the prompt.
 */
import { type ReactNode, useRef } from 'react'
import { useStrings } from '../../strings'
import { IconButton } from '../common/IconButton'
import { acceptedEndings, type Takes } from './fileRules'

interface AttachButtonProps {
  takes: Takes
  onFiles: (files: readonly File[]) => Promise<void>
}

/** Draws the button; nothing where the model takes no files. */
export function AttachButton({ takes, onFiles }: AttachButtonProps): ReactNode {
  const { talk } = useStrings()
  const input = useRef<HTMLInputElement>(null)
  if (!takes.images && !takes.documents) return null
  return (
    <>
      <IconButton icon="attach" label={talk.attach} onClick={() => input.current?.click()} />
      <input
        ref={input}
        type="file"
        multiple
        hidden
        aria-label={talk.attach}
        accept={acceptedEndings(takes)}
        onChange={(event) => {
          void onFiles([...(event.target.files ?? [])])
          // So that the same file can be chosen again after it was removed.
          event.target.value = ''
        }}
      />
    </>
  )
}
