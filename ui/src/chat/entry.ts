/**
 * One chat that the page has open: what is shown of it, its messages, and the answer that it is getting.
 */
import type { AnswerRequest } from '../connection/request'
import { Cell } from './cell'
import type { Chat, ChatMessage } from './model'
import { ChatTree } from './tree'

/** What a chat is made with. */
export interface NewChat {
  id: string
  model: string
  temporary: boolean
  load: Chat['load']
}

/** Holds one chat. */
export class ChatEntry {
  readonly id: string
  readonly cell: Cell<Chat>
  readonly tree = new ChatTree()
  /** The request that is making an answer, if one is. */
  request: AnswerRequest | null = null
  /** The ETag of the copy that was read last, while nothing was added to it here. */
  etag: string | null = null
  /** Whether it is being deleted: nothing of it is asked for any more. */
  isLeaving = false
  /** How often an answer was begun here: what was read before that is not news. */
  begun = 0
  /** How many readings were begun, and which of them was taken last: what an older one says is not news. */
  reads = 0
  taken = 0
  /** How often another branch was asked for: the last one is shown. */
  turns = 0
  /** Whether a branch is shown that is not the one that the server shows: then it is the one to read again. */
  isTurned = false
  /** How often in a row an answer of it had to be looked for anew. */
  recoveries = 0

  constructor({ id, model, temporary, load }: NewChat) {
    this.id = id
    this.cell = new Cell<Chat>({
      id,
      title: '',
      model,
      temporary,
      pinned: false,
      load,
      hasMore: false,
      messageIds: [],
      runningId: null,
      totals: { inputTokens: 0, outputTokens: 0, costUsd: null, messages: 0 },
      draftRevision: 0,
    })
  }

  /** Shows a branch. */
  show(path: readonly string[]): void {
    this.tree.path = path
    this.refresh()
  }

  /** Shows the tree as it is now, with totals of the messages that are known. */
  refresh(changes: Partial<Chat> = {}): void {
    const { path } = this.tree
    this.cell.patch({ ...changes, messageIds: path, totals: addUp(this.tree.findAll(path)) })
  }

  /** The last message of the shown branch that the server has; null where it has none. */
  get leafId(): string | null {
    return this.tree.path.findLast((id) => !this.tree.isUnsent(id)) ?? null
  }
}

function addUp(messages: readonly ChatMessage[]): Chat['totals'] {
  const costs = messages.map((message) => message.costUsd).filter((cost) => cost !== undefined)
  return {
    inputTokens: sum(messages.map((message) => message.usage?.inputTokens ?? 0)),
    outputTokens: sum(messages.map((message) => message.usage?.outputTokens ?? 0)),
    costUsd: costs.length === 0 ? null : sum(costs),
    messages: messages.length,
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0)
}
