/**
 * Which chats are on the screen, and the address of the first of them.
 */
import { Cell } from './cell'
import type { Core } from './core'
import { ChatEntry } from './entry'
import { makeId } from './ids'
import type { Reading } from './reading'

/** The most chats side by side. */
export const MOST_COLUMNS = 4
const MOST_ENTRIES = 12
const CHAT_PATH = /^\/c\/([^/]+)$/

/** Keeps the columns. `start` shows what the address names. */
export class Columns {
  readonly cell = new Cell<readonly string[]>([])
  readonly #core: Core
  readonly #reading: Reading

  constructor(core: Core, reading: Reading) {
    this.#core = core
    this.#reading = reading
  }

  /** Shows what the address names, now and when the person goes back. */
  start(): void {
    this.#showAddress()
    // The browser also speaks of going back when the person goes to a place on this page.
    this.#core.page.onBack(() => {
      if (this.#core.page.path() !== this.#path) this.#showAddress()
    })
  }

  /** Gives a chat, which is made where there is none of this name yet. */
  entry(chatId: string): ChatEntry {
    return this.#core.entries.get(chatId) ?? this.#add(chatId, { load: 'loading' })
  }

  /** Gives the chats on the screen. */
  get shown(): ChatEntry[] {
    return this.cell.get().map((chatId) => this.entry(chatId))
  }

  /** Shows an empty chat alone. */
  newChat(temporary: boolean): void {
    const fresh = this.#makeNew(temporary, this.#chooseModel())
    this.#show([fresh.id])
    if (this.#core.page.path() !== '/') this.#core.page.go('/', 'push')
  }

  /** Shows a chat alone; `through` names a message whose branch is to be shown. */
  open(chatId: string, through?: string): void {
    const path = pathOf(chatId)
    if (this.#core.page.path() !== path) this.#core.page.go(path, 'push')
    this.#open(chatId, through)
  }

  /** Puts an empty chat with another model beside the others. */
  addColumn(model: string): void {
    const shown = this.cell.get()
    if (shown.length >= MOST_COLUMNS) return
    const temporary = this.shown[0]?.cell.get().temporary ?? false
    this.#show([...shown, this.#makeNew(temporary, model).id])
  }

  /** Takes a chat off the screen; the last one stays. */
  removeColumn(chatId: string): void {
    const rest = this.cell.get().filter((id) => id !== chatId)
    const [first] = rest
    if (first === undefined) return
    if (this.cell.get()[0] === chatId) this.#moveDraft(chatId, first)
    this.#show(rest)
    this.updateAddress('replace')
  }

  /** Lets the address name the first chat, once it has begun; a chat that is not kept has no address. */
  updateAddress(how: 'push' | 'replace'): void {
    const path = this.#path
    if (this.#core.page.path() !== path) this.#core.page.go(path, how)
  }

  /** Gives whose draft is a chat's: one that has not begun gets another name after a reload. */
  draftOf(chatId: string): string | null {
    return this.#core.entries.get(chatId)?.cell.get().load === 'new' ? null : chatId
  }

  /** Gives new chats a model, once it is known which ones there are. */
  chooseModels(): void {
    const model = this.#chooseModel()
    for (const entry of this.#core.entries.values()) {
      const { load, model: chosen } = entry.cell.get()
      // What is being read will say which model it was.
      if (chosen === '' && load !== 'loading') entry.cell.patch({ model })
    }
  }

  /** The address of what is shown. */
  get #path(): string {
    const [first] = this.shown
    const hasAddress = first && first.cell.get().load !== 'new' && !this.#core.keepsNothing(first)
    return hasAddress ? pathOf(first.id) : '/'
  }

  /** The box stands under all columns: what was typed in it is the first one's, whichever that is. */
  #moveDraft(fromId: string, toId: string): void {
    const { memory } = this.#core
    const [from, to] = [this.draftOf(fromId), this.draftOf(toId)]
    if (from === to || memory.draft(from) === '') return
    memory.addToDraft(to, memory.takeDraft(from))
    const { cell } = this.entry(toId)
    cell.patch({ draftRevision: cell.get().draftRevision + 1 })
  }

  #showAddress(): void {
    const [, chatId] = CHAT_PATH.exec(this.#core.page.path()) ?? []
    if (chatId === undefined) {
      this.#show([this.#makeNew(false, this.#chooseModel()).id])
      return
    }
    try {
      this.#open(decodeURIComponent(chatId))
    } catch {
      this.newChat(false)
    }
  }

  #open(chatId: string, through?: string): void {
    const entry = this.entry(chatId)
    this.#show([chatId])
    entry.isTurned = false
    entry.turns += 1
    if (entry.cell.get().load !== 'new')
      void this.#reading.read(entry, through === undefined ? {} : { through })
  }

  #show(chatIds: readonly string[]): void {
    this.cell.set(chatIds)
    this.#forgetOthers()
  }

  #makeNew(temporary: boolean, model: string): ChatEntry {
    return this.#add(makeId('c'), { load: 'new', temporary, model })
  }

  #add(id: string, made: { load: 'new' | 'loading'; temporary?: boolean; model?: string }): ChatEntry {
    const { load, temporary = false, model = this.#core.memory.modelOf(id) } = made
    const entry = new ChatEntry({ id, model, temporary, load })
    this.#core.entries.set(id, entry)
    return entry
  }

  #chooseModel(): string {
    const models = this.#core.models.get()
    const last = this.shown[0]?.cell.get().model || this.#core.memory.modelOf(null)
    return last || (models[0]?.name ?? '')
  }

  /** Forgets the chats that were opened longest ago; what is shown, or gets an answer, stays. */
  #forgetOthers(): void {
    const { entries } = this.#core
    for (const [chatId, entry] of entries) {
      if (entries.size <= MOST_ENTRIES) return
      if (!entry.request && !this.cell.get().includes(chatId)) entries.delete(chatId)
    }
  }
}

function pathOf(chatId: string): string {
  return `/c/${encodeURIComponent(chatId)}`
}
