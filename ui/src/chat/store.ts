/**
 * The store of the page: everything in `chat/`, `connection/` and `api/`, put together behind `ChatStore`.
 */
import { Api } from '../api/api'
import { Http } from '../api/http'
import { Connection } from '../connection/connection'
import { browserNetwork, type Network } from '../connection/network'
import { type OpenSocket, openerFor } from '../connection/socket'
import { Answers } from './answers'
import { Asking, canAsk, isBlankPrompt } from './asking'
import { Columns } from './columns'
import { Core, type Explain } from './core'
import { Keeping } from './keeping'
import { LibraryList } from './library'
import { Memory } from './memory'
import type { ChatStore, Prompt } from './model'
import { browserPage, type Page } from './page'
import { Reading } from './reading'
import { Refreshing } from './refreshing'

/** What a store may be made with; without, it is this browser's page and the server that it came from. */
export interface StoreOptions {
  baseUrl?: string
  open?: OpenSocket
  fetch?: typeof fetch
  network?: Network
  page?: Page
  /** Says a failure in words, from its code and the server's own (English) sentence. */
  explain?: Explain
}

/** A store, and the way to end it: a page has one for as long as it is open. */
export interface OpenStore extends ChatStore {
  close(): void
}

const CONTINUE = 'Please go on exactly where you stopped.'

/** Makes the page's store, connects it, and shows what the address names. */
export function createStore(options: StoreOptions = {}): OpenStore {
  const parts = build(options)
  parts.columns.start()
  parts.refreshing.start()
  return toStore(parts)
}

type Parts = ReturnType<typeof build>

function build(options: StoreOptions) {
  const page = options.page ?? browserPage()
  const memory = new Memory(page)
  const baseUrl = options.baseUrl ?? location.href
  const key = () => memory.key
  const connection: Connection = new Connection({
    open: options.open ?? openerFor(baseUrl),
    network: options.network ?? browserNetwork,
    key,
    onChanged: (chatId) => refreshing.changed(chatId),
  })
  const api = new Api(new Http({ baseUrl, fetch: options.fetch ?? ((...call) => fetch(...call)), key }))
  const core = new Core(api, page, memory, connection, options.explain ?? ((_, message) => message))
  core.params.set(memory.params)
  const library = new LibraryList(core)
  const answers: Answers = new Answers(core, {
    changed: (entry, what) => refreshing.answered(entry, what),
    read: (entry) => reading.read(entry),
  })
  const reading = new Reading(core, (entry, answerId) => answers.follow(entry, answerId))
  const columns = new Columns(core, reading)
  const refreshing: Refreshing = new Refreshing(core, columns, library, reading)
  const asking = new Asking(core, answers)
  const keeping = new Keeping(core, columns, library)
  return { core, memory, library, answers, reading, columns, refreshing, asking, keeping }
}

function toStore(parts: Parts): OpenStore {
  return { ...readables(parts), ...page(parts), ...talk(parts), ...keep(parts) }
}

function readables({ core, library, columns }: Parts) {
  return {
    connection: core.connection.state,
    resuming: core.resuming,
    server: core.server,
    models: core.models,
    library: library.cell,
    columns: columns.cell,
    params: core.params,
    notice: core.notice,
    chat: (chatId: string) => columns.entry(chatId).cell,
    message: (chatId: string, messageId: string) => columns.entry(chatId).tree.cell(messageId),
  }
}

function page({ core, memory, columns, refreshing }: Parts) {
  return {
    close: () => refreshing.close(),
    enterKey(key: string) {
      memory.key = key.trim() === '' ? null : key.trim()
      core.connection.reconnect()
      void refreshing.refresh()
    },
    reconnect: () => core.connection.reconnect(),
    dismissNotice: () => core.notice.set(null),
    newChat: (wanted?: { temporary?: boolean }) => columns.newChat(wanted?.temporary ?? false),
    openChat: (chatId: string, wanted?: { leafId?: string }) => columns.open(chatId, wanted?.leafId),
    setModel(chatId: string, model: string) {
      columns.entry(chatId).cell.patch({ model })
      memory.setModel(chatId, model)
    },
    setParams(params: Parameters<ChatStore['setParams']>[0]) {
      core.params.set(params)
      memory.params = params
    },
    addColumn: (model: string) => columns.addColumn(model),
    removeColumn: (chatId: string) => columns.removeColumn(chatId),
    draft: (chatId: string) => memory.draft(columns.draftOf(chatId)),
    setDraft: (chatId: string, text: string) => memory.setDraft(columns.draftOf(chatId), text),
  }
}

function talk({ core, memory, answers, reading, columns, asking }: Parts) {
  return {
    send(prompt: Prompt) {
      const shown = columns.shown
      if (isBlankPrompt(prompt) || !shown.every(canAsk)) return false
      for (const entry of shown) {
        memory.setDraft(columns.draftOf(entry.id), '')
        asking.ask(entry, entry.leafId, prompt)
      }
      columns.updateAddress('replace')
      return true
    },
    stop: (chatId: string) => answers.stop(columns.entry(chatId)),
    regenerate: (chatId: string, answerId: string) => asking.regenerate(columns.entry(chatId), answerId),
    editAndResend(chatId: string, promptId: string, prompt: Prompt) {
      const entry = columns.entry(chatId)
      const edited = entry.tree.find(promptId)
      return edited !== null && asking.ask(entry, edited.parentId, prompt)
    },
    continueAnswer(chatId: string, answerId: string, words = CONTINUE) {
      asking.ask(columns.entry(chatId), answerId, { text: words, files: [] })
    },
    async selectBranch(chatId: string, messageId: string) {
      await core.attempt(() => reading.select(columns.entry(chatId), messageId))
    },
    async loadOlder(chatId: string) {
      await core.attempt(() => reading.readOlder(columns.entry(chatId)))
    },
  }
}

function keep({ core, library, keeping }: Parts) {
  return {
    rename: (chatId: string, title: string) => keeping.rename(chatId, title),
    pin: (chatId: string, pinned: boolean) => keeping.pin(chatId, pinned),
    remove: (chatId: string) => keeping.remove(chatId),
    undoRemove: () => keeping.undoRemove(),
    exportChat: (chatId: string, format: 'json' | 'markdown') => keeping.exportChat(chatId, format),
    importChat: (file: File) => keeping.importChat(file),
    searchFor: (text: string) => library.searchFor(text),
    async loadMore() {
      await core.attempt(() => library.loadMore())
    },
  }
}
