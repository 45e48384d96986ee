/**
 * One prompt: what the person asked, and the editor that asks it in other words.
 */
import { type ReactNode, useRef, useState } from 'react'
import type { Attachment, ChatMessage } from '../../chat/model'
import { useStore } from '../../chat/react'
import { useStrings } from '../../strings'
import { CopyAction } from '../common/CopyAction'
import { focusLater, focusPrompt } from '../common/focus'
import { IconButton } from '../common/IconButton'
import { GrowingText, isComposing } from '../talk/GrowingText'
import { Branches } from './Branches'
import { PromptPieces } from './Pieces'
import { textOf } from './textOf'

interface PromptViewProps {
  chatId: string
  message: ChatMessage
  busy: boolean
}

/** Draws a prompt. */
export function PromptView({ chatId, message, busy }: PromptViewProps): ReactNode {
  const words = useStrings()
  const [editing, setEditing] = useState(false)
  const edit = useRef<HTMLButtonElement>(null)
  const leave = (resent: boolean) => {
    setEditing(false)
    if (resent) focusPrompt()
    else focusLater(() => edit.current)
  }
  return (
    <article className="message prompt" data-state={message.state} aria-label={words.chat.you}>
      <h3 className="unseen">{words.chat.you}</h3>
      {editing ? (
        <PromptEditor chatId={chatId} message={message} busy={busy} onDone={leave} />
      ) : (
        <div className="bubble">
          <PromptPieces pieces={message.pieces} />
        </div>
      )}
      {!editing && (
        <footer className="message-foot">
          <div className="actions">
            <Branches chatId={chatId} messageId={message.id} siblings={message.siblings} disabled={busy} />
            <CopyAction read={() => textOf(message.pieces)} />
            <IconButton
              ref={edit}
              icon="edit"
              label={words.message.edit}
              disabled={busy}
              onClick={() => setEditing(true)}
            />
          </div>
        </footer>
      )}
    </article>
  )
}

interface PromptEditorProps extends PromptViewProps {
  onDone: (resent: boolean) => void
}

function PromptEditor({ chatId, message, busy, onDone }: PromptEditorProps): ReactNode {
  const words = useStrings()
  const store = useStore()
  const [text, setText] = useState(() => textOf(message.pieces))
  const isBlank = text.trim() === ''
  const resend = () => {
    if (isBlank) return
    if (store.editAndResend(chatId, message.id, { text, files: filesOf(message) })) onDone(true)
  }
  return (
    <form
      className="prompt-editor"
      onSubmit={(event) => {
        event.preventDefault()
        resend()
      }}
      onKeyDown={(event) => {
        if (event.key !== 'Escape' || isComposing(event)) return
        event.preventDefault()
        onDone(false)
      }}
    >
      <GrowingText label={words.message.editLabel} value={text} onChange={setText} onEnter={resend} focused />
      <div className="row end">
        <p className="hint" role="status">
          {busy && words.talk.waitForAnswer}
        </p>
        <button type="button" className="quiet" onClick={() => onDone(false)}>
          {words.app.cancel}
        </button>
        <button type="submit" className="primary" disabled={isBlank || busy}>
          {words.message.resend}
        </button>
      </div>
    </form>
  )
}

/** The files go along with the new words. */
function filesOf(message: ChatMessage): Attachment[] {
  return message.pieces
    .filter((piece) => piece.kind === 'file')
    .map(({ key, name, mediaType, url }) => ({ key, name, mediaType, url, bytes: url.length }))
}
