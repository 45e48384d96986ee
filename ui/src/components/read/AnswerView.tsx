/**
 * One answer: what the model said, how it ended, what it took, and what can be done with it.
 */
import type { ReactNode } from 'react'
import type { ChatMessage } from '../../chat/model'
import { useReadable, useStore } from '../../chat/react'
import { useStrings } from '../../strings'
import { CopyAction } from '../common/CopyAction'
import { focusPrompt } from '../common/focus'
import { IconButton } from '../common/IconButton'
import { Ending, Waiting } from '../know/Ending'
import { MessageFacts } from '../know/MessageFacts'
import { Branches } from './Branches'
import { AnswerPieces } from './Pieces'
import { textOf } from './textOf'

interface AnswerViewProps {
  chatId: string
  message: ChatMessage
  /** Whether the chat has an answer under way: then nothing new can be asked in it. */
  busy: boolean
}

const UNDER_WAY = new Set(['sending', 'queued', 'running'])

/** Draws an answer. */
export function AnswerView({ chatId, message, busy }: AnswerViewProps): ReactNode {
  const words = useStrings()
  const store = useStore()
  const models = useReadable(store.models)
  const name =
    models.find((model) => model.name === message.model)?.title ?? message.model ?? words.side.answer
  const underWay = UNDER_WAY.has(message.state)
  return (
    <article className="message answer" data-state={message.state} aria-busy={underWay} aria-label={name}>
      <h3 className="who">{name}</h3>
      {message.resumedAt !== undefined && (
        <p className="resumed">{words.message.resumed(message.resumedAt)}</p>
      )}
      <AnswerPieces pieces={message.pieces} />
      {underWay && (message.pieces.length === 0 || message.stopping) && <Waiting message={message} />}
      {!underWay && <Ending message={message} />}
      <footer className="message-foot">
        {!underWay && <AnswerActions chatId={chatId} message={message} busy={busy} />}
        {!underWay && <MessageFacts message={message} />}
      </footer>
    </article>
  )
}

function AnswerActions({ chatId, message, busy }: AnswerViewProps): ReactNode {
  const words = useStrings()
  const store = useStore()
  return (
    <div className="actions">
      <Branches chatId={chatId} messageId={message.id} siblings={message.siblings} disabled={busy} />
      {message.pieces.length > 0 && <CopyAction read={() => textOf(message.pieces)} />}
      <IconButton
        icon="again"
        label={words.message.regenerate}
        disabled={busy}
        onClick={() => {
          store.regenerate(chatId, message.id)
          focusPrompt()
        }}
      />
      {canGoOn(message) && (
        <button
          type="button"
          className="quiet"
          disabled={busy}
          onClick={() => {
            store.continueAnswer(chatId, message.id, words.chat.continueWords)
            focusPrompt()
          }}
        >
          {words.message.continue}
        </button>
      )}
    </div>
  )
}

function canGoOn({ state, stopReason, pieces }: ChatMessage): boolean {
  if (!pieces.some((piece) => piece.kind === 'text')) return false
  return state === 'stopped' || state === 'interrupted' || state === 'failed' || stopReason === 'max_tokens'
}
