/**
 * What is done with kept conversations: renaming, pinning, deleting, taking out and putting in.
 */
import type { Change } from '../api/api'
import type { Columns } from './columns'
import type { Core } from './core'
import type { LibraryList } from './library'

/** Changes kept conversations. What fails is said by the notice. */
export class Keeping {
  readonly #core: Core
  readonly #columns: Columns
  readonly #library: LibraryList

  constructor(core: Core, columns: Columns, library: LibraryList) {
    this.#core = core
    this.#columns = columns
    this.#library = library
  }

  async rename(chatId: string, title: string): Promise<void> {
    await this.#change(chatId, { title })
  }

  async pin(chatId: string, pinned: boolean): Promise<void> {
    await this.#change(chatId, { pinned })
  }

  /** Deletes a conversation, and offers to take that back. */
  async remove(chatId: string): Promise<void> {
    const entry = this.#core.entries.get(chatId)
    // The server tells of the deletion before it answers.
    if (entry) entry.isLeaving = true
    await this.#core.attempt(async () => {
      const line = this.#library.find(chatId)
      const removed = await this.#core.api.remove(chatId)
      this.#library.offerUndo(line ?? { ...removed })
      this.#leave(chatId)
      await this.#tell(chatId)
    })
    if (entry) entry.isLeaving = false
  }

  /** Takes the last deletion back. */
  async undoRemove(): Promise<void> {
    const { undo } = this.#library.cell.get()
    if (!undo) return
    await this.#core.attempt(async () => {
      await this.#core.api.restore(undo.id)
      this.#library.offerUndo(null)
      await this.#tell(undo.id)
    })
  }

  /** Gives the file to save. Throws where there is none, after saying so. */
  async exportChat(chatId: string, format: 'json' | 'markdown'): Promise<{ name: string; blob: Blob }> {
    try {
      const blob = await this.#core.api.export(chatId, format)
      const title =
        this.#library.find(chatId)?.title || this.#core.entries.get(chatId)?.cell.get().title || chatId
      return { name: `${toFileName(title)}.${format === 'json' ? 'json' : 'md'}`, blob }
    } catch (error) {
      this.#core.notice.set(this.#core.explain(error))
      throw error
    }
  }

  /** Puts in what was taken out as JSON, and opens it. */
  async importChat(file: File): Promise<void> {
    await this.#core.attempt(async () => {
      const made = await this.#core.api.import(await file.text())
      this.#columns.open(made.id)
      await this.#tell(made.id)
    })
  }

  async #change(chatId: string, change: Change): Promise<void> {
    await this.#core.attempt(async () => {
      const { title, pinnedAt } = await this.#core.api.change(chatId, change)
      this.#core.entries.get(chatId)?.cell.patch({ title, pinned: pinnedAt !== null })
      await this.#tell(chatId)
    })
  }

  async #tell(chatId: string): Promise<void> {
    this.#core.page.tell({ kind: 'changed', chatId })
    await this.#library.refresh()
  }

  #leave(chatId: string): void {
    const wasShown = this.#columns.cell.get().includes(chatId)
    this.#core.entries.delete(chatId)
    if (!wasShown) return
    if (this.#columns.cell.get().length > 1) this.#columns.removeColumn(chatId)
    else this.#columns.newChat(false)
  }
}

const MOST_CHARACTERS = 80

function toFileName(title: string): string {
  const plain = title.replaceAll(/[^\p{L}\p{N} ._-]+/gu, ' ').replaceAll(/\s+/g, ' ')
  return plain.slice(0, MOST_CHARACTERS).trim() || 'conversation'
}
