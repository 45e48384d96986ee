/**
 * Answers: asking for them, following them over lost connections, stopping them, and what becomes of each in its chat.
 */
import type { AnswerEvent, Wish } from '../connection/request'
import { AnswerRequest } from '../connection/request'
import type { Question } from '../protocol/frames'
import type { Core } from './core'
import type { ChatEntry } from './entry'
import { Follower } from './follower'
import type { Failure, MessageState } from './model'

type EventOf<Kind extends AnswerEvent['kind']> = Extract<AnswerEvent, { kind: Kind }>

const RECOVERY_MS = 500
const MAX_RECOVERIES = 6

/** Who is told of what answers change elsewhere. `read` reads a chat anew from the server; it throws nothing. */
export interface AnswersOwner {
  /** An answer began, or ended: the list of chats is another. */
  changed(entry: ChatEntry, what: 'began' | 'ended'): void
  read(entry: ChatEntry): Promise<boolean>
}

/** Makes the answers of all chats. */
export class Answers {
  readonly #core: Core
  readonly #owner: AnswersOwner

  constructor(core: Core, owner: AnswersOwner) {
    this.#core = core
    this.#owner = owner
  }

  /** Asks. The answer's message, and its prompt's, are in the tree already, as unsent. */
  ask(entry: ChatEntry, answerId: string, question: Question): void {
    this.#begin(entry, answerId, { kind: 'ask', question })
  }

  /** Follows the answer that the server is making already, from its beginning. */
  follow(entry: ChatEntry, answerId: string): void {
    if (entry.request) return
    const turnId = entry.tree.find(answerId)?.turnId ?? null
    this.#begin(entry, answerId, { kind: 'follow', chatId: entry.id, turnId })
  }

  /** Asks for the end of a chat's answer. What was said until then still comes. */
  stop(entry: ChatEntry): void {
    const { runningId } = entry.cell.get()
    if (!entry.request || runningId === null) return
    entry.tree.patch(runningId, { stopping: true })
    this.#core.connection.stop(entry.request)
  }

  #begin(entry: ChatEntry, answerId: string, wish: Wish): void {
    const follower = new Follower(entry, answerId, this.#core.page)
    const request = new AnswerRequest(wish, (event) => this.#take(entry, follower, event))
    entry.request = request
    entry.begun += 1
    entry.etag = null
    entry.refresh({ runningId: answerId })
    this.#core.connection.begin(request)
  }

  #take(entry: ChatEntry, follower: Follower, event: AnswerEvent): void {
    switch (event.kind) {
      case 'part':
        entry.recoveries = 0
        follower.add(event.part)
        return
      case 'queued': {
        const { kind: _, ...queue } = event
        entry.tree.patch(follower.answerId, { state: 'queued', queue })
        return
      }
      case 'accepted':
        this.#accept(entry, follower, event.turnId)
        return
      case 'interrupted':
      case 'resumed':
        this.#followConnection(entry, follower, event)
        return
      default:
        this.#close(entry, follower, event)
    }
  }

  #followConnection(entry: ChatEntry, follower: Follower, event: EventOf<'interrupted' | 'resumed'>): void {
    const { kind, position } = event
    follower.flush()
    if (kind === 'interrupted') {
      this.#core.resuming.set({ chatId: entry.id, position })
    } else {
      this.#forgetResuming(entry)
      entry.tree.patch(follower.answerId, { resumedAt: position })
    }
  }

  #close(
    entry: ChatEntry,
    follower: Follower,
    event: EventOf<'ended' | 'cancelled' | 'refused' | 'lost'>,
  ): void {
    switch (event.kind) {
      case 'ended':
        this.#end(entry, follower, null)
        this.#owner.changed(entry, 'ended')
        return
      case 'cancelled':
        this.#markPrompt(entry, follower, 'stopped')
        this.#end(entry, follower, { state: 'stopped' })
        return
      case 'refused':
        this.#refuse(entry, follower, event.failure)
        return
      case 'lost':
        this.#lose(entry, follower)
    }
  }

  #accept(entry: ChatEntry, follower: Follower, turnId: string | null): void {
    const { tree } = entry
    const answer = tree.find(follower.answerId)
    tree.markSent(follower.answerId)
    const state: MessageState = 'running'
    tree.patch(follower.answerId, turnId === null ? { state } : { state, turnId })
    const promptId = answer?.parentId
    if (promptId && tree.isUnsent(promptId)) {
      tree.markSent(promptId)
      tree.patch(promptId, { state: 'completed' })
    }
    this.#core.memory.setUnsent(entry.id, null)
    // The server shows the branch that it was asked on last.
    entry.isTurned = false
    this.#owner.changed(entry, 'began')
  }

  /** Closes an answer's request; `last` is written into its message where the server did not say how it ended. */
  #end(entry: ChatEntry, follower: Follower, last: { state: MessageState; failure?: Failure } | null): void {
    follower.flush()
    entry.request = null
    this.#forgetResuming(entry)
    const message = entry.tree.find(follower.answerId)
    if (last && message) {
      const { queue: _, stopping: __, failure: ___, siblings: ____, ...rest } = message
      entry.tree.replace(follower.answerId, { ...rest, ...last })
    }
    entry.refresh({ runningId: null })
  }

  #refuse(entry: ChatEntry, follower: Follower, failure: Failure): void {
    this.#markPrompt(entry, follower, 'failed')
    this.#end(entry, follower, { state: 'failed', failure })
    // Another tab, or another device, is getting an answer in this chat: show that.
    if (failure.code === 'already_active') void this.#owner.read(entry)
  }

  #markPrompt(entry: ChatEntry, follower: Follower, state: MessageState): void {
    const promptId = entry.tree.find(follower.answerId)?.parentId
    if (promptId && entry.tree.isUnsent(promptId)) entry.tree.patch(promptId, { state })
  }

  #lose(entry: ChatEntry, follower: Follower): void {
    const failure: Failure = { code: 'interrupted', message: '', retryable: true }
    this.#end(entry, follower, { state: 'interrupted', failure })
    entry.recoveries += 1
    if (this.#core.keepsNothing(entry) || entry.recoveries > MAX_RECOVERIES) return
    // At first at once; where the server says again and again that an answer runs that it can't show, ever later.
    const delayMs = entry.recoveries === 1 ? 0 : RECOVERY_MS * 2 ** entry.recoveries
    setTimeout(() => void this.#owner.read(entry), delayMs)
  }

  #forgetResuming(entry: ChatEntry): void {
    if (this.#core.resuming.get()?.chatId === entry.id) this.#core.resuming.set(null)
  }
}
