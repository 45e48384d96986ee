/**
 * How an answer ended, where that was not well, and what helps.
 */
import { type ReactNode, useState } from 'react'
import type { ChatMessage, Failure } from '../../chat/model'
import { type Strings, useLanguage, useStrings } from '../../strings'
import { formatSeconds } from '../../strings/format'
import { useSecondsUntil } from './ConnectionBadge'

/** Draws what is to be said of an answer's end; nothing while it runs, or where it is simply complete. */
export function Ending({ message }: { message: ChatMessage }): ReactNode {
  const words = useStrings()
  if (message.state === 'failed' && message.failure) return <FailureNote failure={message.failure} />
  const sentence = sayEnding(message, words)
  return sentence === null ? null : <p className="ending">{sentence}</p>
}

function sayEnding(message: ChatMessage, { message: words }: Strings): string | null {
  if (message.state === 'stopped') return words.stopped
  if (message.state === 'interrupted') return words.interrupted
  if (message.state !== 'completed') return null
  switch (message.stopReason) {
    case 'max_tokens':
    case 'context_window_exceeded':
      return words.cut
    case 'refusal':
    case 'content_filtered':
    case 'guardrail_intervened':
      return words.filtered
    default:
      return message.pieces.length === 0 ? words.empty : null
  }
}

function FailureNote({ failure }: { failure: Failure }): ReactNode {
  const { failures } = useStrings()
  const { retryAfterMs } = failure
  const [retryAt] = useState(() => (retryAfterMs === undefined ? null : Date.now() + retryAfterMs))
  const seconds = useSecondsUntil(retryAt)
  return (
    <div className="failure">
      <p className="failure-what">{failure.message}</p>
      <p>
        {failures.remedies[failure.code] ?? failures.other}
        {seconds > 0 && ` ${failures.retryIn(seconds)}`}
      </p>
      {failure.awsRequestId && <p className="hint">{failures.request(failure.awsRequestId)}</p>}
    </div>
  )
}

/** Says what an answer waits for, before its first words. */
export function Waiting({ message }: { message: ChatMessage }): ReactNode {
  const words = useStrings()
  const language = useLanguage()
  return (
    <p className="waiting" role="status">
      <span className="dots" aria-hidden="true" />
      {sayWaiting(message, words, language)}
    </p>
  )
}

function sayWaiting(message: ChatMessage, words: Strings, language: 'en' | 'de'): string {
  if (message.stopping) return words.talk.stopping
  if (message.state === 'sending') return words.message.sending
  if (message.state === 'queued' && message.queue) {
    const { position, etaMs } = message.queue
    if (etaMs === undefined) return words.message.queued(position)
    return words.message.queuedFor(position, formatSeconds(etaMs, language, words))
  }
  return words.message.waiting
}
