/**
 * One answer on its way into a chat: parts are gathered and applied before the next frame is drawn, so that what many
 * answers at once cost is bounded by what can be seen.
 */
import type { AnswerState } from '../protocol/answer'
import { EMPTY_ANSWER } from '../protocol/answer'
import type { Part } from '../protocol/frames'
import { reduceAll } from '../protocol/reduce'
import type { ChatEntry } from './entry'
import { sizeOf, withAnswer } from './messages'
import type { Page } from './page'

/** Writes an answer's parts into its message. */
export class Follower {
  answerId: string
  readonly #entry: ChatEntry
  readonly #page: Page
  readonly #shownSize: number
  #answer: AnswerState = EMPTY_ANSWER
  #waiting: Part[] = []
  #isScheduled = false

  constructor(entry: ChatEntry, answerId: string, page: Page) {
    this.#entry = entry
    this.#page = page
    this.answerId = answerId
    this.#shownSize = sizeOf(entry.tree.find(answerId)?.pieces ?? [])
  }

  get answer(): AnswerState {
    return this.#answer
  }

  /** Takes a part; it is seen with the next frame. */
  add(part: Part): void {
    this.#waiting.push(part)
    if (this.#isScheduled) return
    this.#isScheduled = true
    this.#page.beforeFrame(() => {
      this.#isScheduled = false
      this.flush()
    })
  }

  /** Applies what has come. */
  flush(): void {
    if (this.#waiting.length === 0) return
    this.#answer = reduceAll(this.#answer, this.#waiting)
    this.#waiting = []
    const { tree } = this.#entry
    const message = tree.find(this.answerId)
    if (!message) return
    // A replay begins with nothing: until it is where the page was, what the page has is more.
    if (this.#answer.ending === null && sizeOf(this.#answer.pieces) < this.#shownSize) return
    const { siblings: _, ...known } = message
    const next = withAnswer(known, this.#answer)
    tree.replace(this.answerId, next)
    if (next.id === this.answerId) return
    this.answerId = next.id
    this.#entry.refresh({ runningId: next.id })
  }
}
