/**
 * The messages of one chat, as far as the page knows them: a tree, of which one branch is shown. Each message can be
 * subscribed to alone.
 */
import { Cell } from './cell'
import { isEqual } from './equal'
import type { ChatMessage } from './model'

/** A message without its siblings: the tree knows those. */
export type NewMessage = Omit<ChatMessage, 'siblings'>

/** Holds one chat's messages. */
export class ChatTree {
  readonly #cells = new Map<string, Cell<ChatMessage | null>>()
  readonly #children = new Map<string | null, readonly string[]>()
  readonly #unsent = new Set<string>()
  #path: readonly string[] = []

  /** The branch that is shown, from the oldest known message on. */
  get path(): readonly string[] {
    return this.#path
  }

  set path(path: readonly string[]) {
    this.#path = path
  }

  /** Gives the message's own cell; empty while there is no such message. */
  cell(messageId: string): Cell<ChatMessage | null> {
    const known = this.#cells.get(messageId)
    if (known) return known
    const cell = new Cell<ChatMessage | null>(null)
    this.#cells.set(messageId, cell)
    return cell
  }

  find(messageId: string): ChatMessage | null {
    return this.#cells.get(messageId)?.get() ?? null
  }

  /** Gives the messages that are known at these places. */
  findAll(messageIds: readonly string[]): ChatMessage[] {
    return messageIds.map((id) => this.find(id)).filter((message) => message !== null)
  }

  /** Tells whether the server does not have a message: it was refused, or is not sent yet. */
  isUnsent(messageId: string): boolean {
    return this.#unsent.has(messageId)
  }

  markSent(messageId: string): void {
    this.#unsent.delete(messageId)
  }

  /** Adds a message of this page's own after all others in its place. It counts as unsent until `markSent`. */
  add(message: NewMessage): void {
    this.#unsent.add(message.id)
    this.#place(message.parentId, [...(this.#children.get(message.parentId) ?? []), message.id])
    this.cell(message.id).set({ ...message, siblings: this.#children.get(message.parentId) ?? [] })
  }

  /** Takes a message as the server has it. Unsent messages in its place stay. */
  put(message: ChatMessage): void {
    this.#unsent.delete(message.id)
    const known = this.#children.get(message.parentId) ?? []
    const unsent = known.filter((id) => this.#unsent.has(id) && !message.siblings.includes(id))
    this.#place(message.parentId, [...message.siblings, ...unsent])
    const siblings = this.#children.get(message.parentId) ?? []
    const cell = this.cell(message.id)
    cell.set(keepSame(cell.get(), { ...message, siblings }))
  }

  /** Changes fields of a message that is known. */
  patch(messageId: string, changes: Partial<NewMessage>): void {
    const message = this.find(messageId)
    if (message) this.cell(messageId).set({ ...message, ...changes })
  }

  /** Puts a message in the place of another, or of itself: an answer gets its name only when it begins. */
  replace(messageId: string, message: NewMessage): void {
    const children = this.#children.get(message.parentId) ?? []
    if (messageId === message.id) {
      this.cell(messageId).set({ ...message, siblings: children })
      return
    }
    const renamed = children.map((id) => (id === messageId ? message.id : id))
    const siblings = [...new Set(renamed)]
    this.#unsent.delete(messageId)
    this.#children.set(message.parentId, siblings)
    this.cell(message.id).set({ ...message, siblings })
    this.#place(message.parentId, siblings)
    this.#path = this.#path.map((id) => (id === messageId ? message.id : id))
  }

  /** Gives the branch from the oldest known message to this one. */
  pathTo(messageId: string | null): string[] {
    const path: string[] = []
    let message = messageId === null ? null : this.find(messageId)
    while (message) {
      path.push(message.id)
      message = message.parentId === null ? null : this.find(message.parentId)
    }
    return path.reverse()
  }

  /** Gives the end of the branch that goes through a message, by the newest known message of each place. */
  newestUnder(messageId: string): string {
    const below = this.#children.get(messageId)?.findLast((id) => this.find(id) !== null)
    return below === undefined ? messageId : this.newestUnder(below)
  }

  #place(parentId: string | null, children: readonly string[]): void {
    this.#children.set(parentId, children)
    for (const id of children) {
      const message = this.find(id)
      if (message && !isSame(message.siblings, children))
        this.cell(id).set({ ...message, siblings: children })
    }
  }
}

/** What says the same stays the same value, so that nothing is drawn anew for it. */
function keepSame(known: ChatMessage | null, message: ChatMessage): ChatMessage {
  if (!known) return message
  const pieces = isEqual(known.pieces, message.pieces) ? known.pieces : message.pieces
  const resumed = known.resumedAt === undefined ? {} : { resumedAt: known.resumedAt }
  const next = { ...message, ...resumed, pieces }
  return isEqual(known, next) ? known : next
}

function isSame(some: readonly string[], others: readonly string[]): boolean {
  return some.length === others.length && some.every((id, place) => id === others[place])
}
