/**
 * Tells screen readers of an answer by the sentence: single tokens would be noise.
 */
import { type ReactNode, useEffect, useRef, useState } from 'react'
import type { ChatMessage } from '../../chat/model'
import { useReadable, useStore } from '../../chat/react'
import { type Strings, useStrings } from '../../strings'
import { cutSentences } from './sentences'
import { textOf } from './textOf'

const MAX_LINES = 6

interface Line {
  key: number
  text: string
}

/** Draws a region that nobody sees. It speaks of an answer that it has seen begin, and of its end. */
export function Speech({ chatId, messageId }: { chatId: string; messageId: string }): ReactNode {
  const message = useReadable(useStore().message(chatId, messageId))
  const words = useStrings()
  const [lines, setLines] = useState<readonly Line[]>([])
  const heard = useRef({ id: '', length: 0, live: false, next: 0 })
  useEffect(() => {
    if (message?.role !== 'assistant') return
    const said = hear(heard.current, message, words)
    if (said.length === 0) return
    const fresh = said.map((text) => ({ key: heard.current.next++, text }))
    setLines((before) => [...before, ...fresh].slice(-MAX_LINES))
  }, [message, words])
  return (
    <div className="unseen" role="log" aria-live="polite" aria-atomic="false">
      {lines.map((line) => (
        <p key={line.key}>{line.text}</p>
      ))}
    </div>
  )
}

interface Heard {
  id: string
  /** How much of the text was spoken. */
  length: number
  /** Whether it was seen under way: an answer that was there already is not read out. */
  live: boolean
}

function hear(heard: Heard, message: ChatMessage, words: Strings): string[] {
  const underWay = message.state === 'running' || message.state === 'sending' || message.state === 'queued'
  const said: string[] = []
  // An answer whose end was not heard is the same one, which the server has given its name meanwhile.
  if (heard.live) heard.id = message.id
  if (heard.id !== message.id) Object.assign(heard, { id: message.id, length: 0, live: false })
  // Also one that had ended: it was lost for a while, and goes on after what was heard of it.
  if (underWay && !heard.live) {
    heard.live = true
    said.push(words.speech.answering(message.model ?? ''))
  }
  if (!heard.live) return said
  const rest = textOf(message.pieces).slice(heard.length)
  const whole = underWay ? cutSentences(rest) : rest
  heard.length += whole.length
  if (whole.trim() !== '') said.push(whole.trim())
  if (!underWay) {
    heard.live = false
    said.push(sayEnd(message, words))
  }
  return said
}

function sayEnd(message: ChatMessage, { speech }: Strings): string {
  if (message.state === 'stopped') return speech.stopped
  if (message.state === 'interrupted') return speech.interrupted
  if (message.state === 'failed') return speech.failed(message.failure?.message ?? '')
  return speech.done
}
