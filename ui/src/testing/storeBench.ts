/**
 * A store with everything around it made of tests' parts, and short ways to look at it.
 */
import { vi } from 'vitest'
import type { ChatMessage } from '../chat/model'
import { createStore, type OpenStore } from '../chat/store'
import type { Part } from '../protocol/frames'
import { FakeApi } from './fakeApi'
import { FakeBrowser, type FakePage } from './fakePage'
import { FakeNet, type SentFrame } from './fakeSocket'

/** One open tab with a store. Time is the test's (`vi.useFakeTimers`). */
export class StoreBench {
  readonly net = new FakeNet()
  readonly api: FakeApi
  readonly page: FakePage
  readonly store: OpenStore

  constructor(options: { path?: string; browser?: FakeBrowser; api?: FakeApi; page?: FakePage } = {}) {
    this.api = options.api ?? new FakeApi()
    this.page = options.page ?? (options.browser ?? new FakeBrowser()).open(options.path)
    this.store = createStore({
      baseUrl: 'http://gateway.test/',
      page: this.page,
      open: this.net.open,
      network: this.net.network,
      fetch: this.api.fetch,
    })
  }

  /** Lets the socket open, and all that was asked come. */
  async settle(): Promise<void> {
    if (this.store.connection.get().phase === 'connecting') this.net.last.accept()
    await vi.advanceTimersByTimeAsync(300)
  }

  /** The first chat on the screen. */
  get chatId(): string {
    return this.store.columns.get()[0] ?? ''
  }

  /** The messages that are shown. */
  shown(chatId = this.chatId): ChatMessage[] {
    const ids = this.store.chat(chatId).get().messageIds
    return ids.map((id) => this.store.message(chatId, id).get()).filter((message) => message !== null)
  }

  /** What is shown, as texts. */
  texts(chatId = this.chatId): string[] {
    return this.shown(chatId).map(textOf)
  }

  send(text: string): boolean {
    return this.store.send({ text, files: [] })
  }

  /** The last question that was sent. */
  get question(): SentFrame {
    return this.net.last.lastSent('send')
  }

  /** Accepts a request. */
  accept(frame: SentFrame, turnId: string): void {
    this.net.last.say({ type: 'start', requestId: frame.requestId, turnId, epoch: 'e1' })
  }

  /** Streams parts under a request. */
  stream(frame: SentFrame, parts: readonly Part[], from = 0): void {
    for (const [place, chunk] of parts.entries()) {
      this.net.last.say({ type: 'chunk', requestId: frame.requestId, sequence: from + place, chunk })
    }
  }

  /** Answers a request with a text, to the end. */
  async answer(frame: SentFrame, turnId: string, text = `says msg-${turnId}`): Promise<void> {
    this.accept(frame, turnId)
    this.stream(frame, textParts(turnId, text))
    this.net.last.say({ type: 'end', requestId: frame.requestId })
    await this.settle()
  }
}

/** Gives what a message says. */
export function textOf(message: ChatMessage): string {
  return message.pieces.map((piece) => (piece.kind === 'text' ? piece.text : '')).join('')
}

/** Gives the parts of an answer that says a text. */
export function textParts(turnId: string, text: string): Part[] {
  const usage = {
    inputTokens: 2,
    outputTokens: 3,
    reasoningTokens: 0,
    cacheReadTokens: 0,
    cacheWriteTokens: 0,
    estimated: false,
  }
  return [
    {
      type: 'start',
      messageId: `msg-${turnId}`,
      messageMetadata: { turnId, model: 'llama3', region: 'us-east-1' },
    },
    { type: 'start-step' },
    { type: 'text-start', id: 'text-0' },
    { type: 'text-delta', id: 'text-0', delta: text },
    { type: 'text-end', id: 'text-0' },
    { type: 'finish-step' },
    {
      type: 'finish',
      finishReason: 'stop',
      messageMetadata: { stopReason: 'end_turn', usage, costUsd: 0.5 },
    },
  ]
}
