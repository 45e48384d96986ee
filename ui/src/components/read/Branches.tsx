/**
 * Moves between the versions of a message: each edit and each new answer is one.
 */
import type { ReactNode } from 'react'
import { useStore } from '../../chat/react'
import { useStrings } from '../../strings'
import { focusLater } from '../common/focus'
import { IconButton } from '../common/IconButton'

interface BranchesProps {
  chatId: string
  messageId: string
  siblings: readonly string[]
  disabled: boolean
}

/** Draws the place among the versions; nothing where there is only one. */
export function Branches({ chatId, messageId, siblings, disabled }: BranchesProps): ReactNode {
  const store = useStore()
  const { message } = useStrings()
  const at = siblings.indexOf(messageId)
  if (siblings.length < 2 || at < 0) return null
  const go = async (to: number) => {
    const wanted = siblings[to]
    if (wanted === undefined) return
    await store.selectBranch(chatId, wanted)
    focusLater(() => findButton(wanted, to > at))
  }
  return (
    <span className="branches" data-version={messageId}>
      <IconButton
        icon="left"
        label={message.previous}
        disabled={disabled || at === 0}
        onClick={() => void go(at - 1)}
      />
      <span aria-label={message.versions(at + 1, siblings.length)} role="img">
        {at + 1}/{siblings.length}
      </span>
      <IconButton
        icon="right"
        label={message.next}
        disabled={disabled || at === siblings.length - 1}
        onClick={() => void go(at + 1)}
      />
    </span>
  )
}

/** The other version has buttons of its own; where there is none further on, the way back has the focus. */
function findButton(messageId: string, forward: boolean): HTMLElement | undefined {
  const buttons = document.querySelectorAll<HTMLButtonElement>(
    `[data-version="${CSS.escape(messageId)}"] button`,
  )
  const [back, on] = buttons
  const wanted = forward ? on : back
  return wanted?.disabled ? (forward ? back : on) : wanted
}
