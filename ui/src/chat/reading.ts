/**
 * Reading chats from the server: when one is opened, when it changed elsewhere, older messages, other branches.
 */
import type { BranchQuery, ReadBranch } from '../api/api'
import { ApiFailure } from '../api/http'
import type { BranchJson } from '../api/schema'
import type { Core } from './core'
import type { ChatEntry } from './entry'
import { fromKept, sizeOf } from './messages'
import type { ChatMessage } from './model'
import type { ChatTree } from './tree'

/** Reads chats. `follow` is called for an answer that the server is making. */
export class Reading {
  readonly #core: Core
  readonly #follow: (entry: ChatEntry, answerId: string) => void

  constructor(core: Core, follow: (entry: ChatEntry, answerId: string) => void) {
    this.#core = core
    this.#follow = follow
  }

  /** Reads a chat, if it is not what is there already. Returns whether it is there now; throws nothing. */
  async read(entry: ChatEntry, query: BranchQuery = {}): Promise<boolean> {
    const wanted = entry.isTurned && entry.leafId !== null ? { through: entry.leafId, ...query } : query
    const { load } = entry.cell.get()
    if (load === 'failed' || load === 'unknown') {
      entry.etag = null
      entry.cell.patch({ load: 'loading' })
    }
    const { begun } = entry
    const isNews = this.#count(entry, query)
    try {
      const read = (await this.#readEnd(entry, wanted)) ?? (await this.#readBranch(entry, wanted))
      // What was asked meanwhile is newer than what was read.
      if (isNews() && read && !entry.request && entry.begun === begun) {
        // An ETag is that of the chat, whichever branch was read.
        entry.etag = wanted.through ? null : read.etag
        if (query.through) entry.isTurned = true
        this.#take(entry, read.branch)
      }
      return true
    } catch (error) {
      this.#fail(entry, error)
      return false
    }
  }

  /** Counts a reading. Gives what says, once it was answered, whether its answer is still the newest. */
  #count(entry: ChatEntry, { through }: BranchQuery): () => boolean {
    entry.reads += 1
    if (through) entry.turns += 1
    const { reads, turns } = entry
    return () => {
      // Who chose a branch sees it, whatever was read meanwhile; what was read of the branch before is old then.
      const isNews = through ? turns === entry.turns : reads > entry.taken
      if (isNews) entry.taken = through ? entry.reads : reads
      return isNews
    }
  }

  #readBranch(entry: ChatEntry, wanted: BranchQuery): Promise<ReadBranch | null> {
    return this.#core.api.open(entry.id, wanted, wanted.through ? null : entry.etag)
  }

  /**
   * Reads the last message alone, after an answer that was made here: where the page knows what comes before it, that
   * is all there is to know, and files that are in the chat are not sent again. Null where it is not.
   */
  async #readEnd(entry: ChatEntry, wanted: BranchQuery): Promise<ReadBranch | null> {
    if (wanted.through || entry.etag !== null || entry.begun === 0) return null
    const read = await this.#core.api.open(entry.id, { limit: '1' })
    const parentId = read?.branch.messages[0]?.parentId
    const isKnown =
      typeof parentId === 'string' && entry.tree.find(parentId) && !entry.tree.isUnsent(parentId)
    return isKnown ? read : null
  }

  /** Reads the messages before the oldest one that is shown. */
  async readOlder(entry: ChatEntry): Promise<void> {
    const [before] = entry.tree.path
    const leaf = entry.leafId
    if (before === undefined || leaf === null || !entry.cell.get().hasMore) return
    const read = await this.#core.api.open(entry.id, { before, leaf })
    if (!read || entry.tree.path[0] !== before) return
    for (const message of read.branch.messages) entry.tree.put(fromKept(message))
    const older = read.branch.messages.map((message) => message.id)
    entry.tree.path = [...older, ...entry.tree.path]
    entry.refresh({ hasMore: read.branch.hasMore })
  }

  /** Shows the branch through a message, to the newest message under it, and lets the server remember that. */
  async select(entry: ChatEntry, messageId: string): Promise<void> {
    const { tree } = entry
    if (this.#core.keepsNothing(entry) || tree.isUnsent(messageId)) {
      entry.show(tree.pathTo(tree.newestUnder(messageId)))
      return
    }
    const { begun } = entry
    const isNews = this.#count(entry, { through: messageId })
    const read = await this.#core.api.open(entry.id, { through: messageId })
    // What was asked, or chosen, meanwhile stays in sight.
    if (!read || !isNews() || entry.begun !== begun) return
    this.#take(entry, read.branch)
    entry.etag = null
    entry.isTurned = true
    const leafId = read.branch.messages.at(-1)?.id
    if (leafId !== undefined) await this.#core.api.change(entry.id, { leafId })
    entry.isTurned = false
  }

  #take(entry: ChatEntry, branch: BranchJson): void {
    const { tree } = entry
    const shown = entry.cell.get()
    const unsent = tree.path.slice(tree.path.findIndex((id) => tree.isUnsent(id)))
    for (const message of branch.messages) {
      // What streams in is newer than what is kept of it.
      if (!entry.request || message.id !== shown.runningId) tree.put(keepMore(tree, fromKept(message)))
    }
    const [first] = branch.messages
    const older = first?.parentId ? tree.pathTo(first.parentId) : []
    const path = [...older, ...branch.messages.map((message) => message.id)]
    tree.path = [...path, ...tailAfter(tree, path.at(-1) ?? null, unsent)]
    const { title, pinnedAt, model } = branch.conversation
    entry.refresh({
      title,
      pinned: pinnedAt !== null,
      model: shown.model || model || this.#firstModel,
      load: 'ready',
      hasMore: older.length > 0 ? shown.hasMore : branch.hasMore,
    })
    if (this.#takeBack(entry, entry.id)) entry.cell.patch({ draftRevision: shown.draftRevision + 1 })
    const running = branch.messages.findLast((message) => message.state === 'running')
    if (running) this.#follow(entry, running.id)
  }

  get #firstModel(): string {
    return this.#core.models.get()[0]?.name ?? ''
  }

  #fail(entry: ChatEntry, error: unknown): void {
    const { load, model, draftRevision } = entry.cell.get()
    const isUnknown = error instanceof ApiFailure && error.status === 404
    if (isUnknown && load === 'loading' && this.#takeBack(entry, null)) {
      const begins = { load: 'new', model: model || this.#firstModel } as const
      entry.cell.patch({ ...begins, draftRevision: draftRevision + 1 })
      if (this.#core.page.path().endsWith(encodeURIComponent(entry.id))) this.#core.page.go('/', 'replace')
    } else if (isUnknown && (load === 'loading' || entry.leafId !== null)) {
      entry.cell.patch({ load: 'unknown' })
    } else if (load === 'loading') {
      entry.cell.patch({ load: 'failed', loadFailure: this.#core.explain(error) })
    }
  }

  /**
   * Makes a draft again of a question that the page had sent and the server had not taken when the page was left; what
   * was typed since then follows it. Returns whether there was one. `draftOf` is whose draft it becomes, null that of a
   * chat that has not begun.
   */
  #takeBack(entry: ChatEntry, draftOf: string | null): boolean {
    const { memory } = this.#core
    const unsent = memory.unsent(entry.id)
    if (!unsent || entry.begun > 0) return false
    memory.setUnsent(entry.id, null)
    if (entry.tree.find(unsent.id)) return false
    memory.addToDraft(draftOf, unsent.text, memory.takeDraft(entry.id))
    return true
  }
}

/**
 * Takes a kept message, but for one thing: after a crash a server may have less of an answer than this page has seen.
 * What a person has read is not taken away; its state says that it was interrupted.
 */
function keepMore(tree: ChatTree, kept: ChatMessage): ChatMessage {
  const seen = tree.find(kept.id)
  if (!seen || sizeOf(seen.pieces) <= sizeOf(kept.pieces)) return kept
  return kept.state === 'interrupted' || kept.state === 'running' ? { ...kept, pieces: seen.pieces } : kept
}

/** A question that was refused stays in sight, where what it followed is still the end. */
function tailAfter(tree: ChatTree, leafId: string | null, unsent: readonly string[]): readonly string[] {
  const [first] = unsent
  return first !== undefined && tree.isUnsent(first) && tree.find(first)?.parentId === leafId ? unsent : []
}
