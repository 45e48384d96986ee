/**
 * The store against a running gateway, whose address is in OUTCROP_URL. It must keep conversations, and answer quickly.
 */
import { afterEach, describe, expect, it, vi } from 'vitest'
import { openerFor } from '../connection/socket'
import { FakeBrowser, type FakePage } from '../testing/fakePage'
import type { ChatMessage } from './model'
import { createStore, type OpenStore } from './store'

const url: string | undefined = process.env.OUTCROP_URL
const PATIENCE = { timeout: 20_000, interval: 20 }
const stores: OpenStore[] = []

function openTab(page: FakePage): OpenStore {
  const baseUrl = url ?? ''
  const store = createStore({ baseUrl, page, open: openerFor(baseUrl) })
  stores.push(store)
  return store
}

function firstChat(store: OpenStore): string {
  const [chatId] = store.columns.get()
  if (chatId === undefined) throw new Error('there is no chat')
  return chatId
}

function shown(store: OpenStore, chatId = firstChat(store)): ChatMessage[] {
  const ids = store.chat(chatId).get().messageIds
  return ids.map((id) => store.message(chatId, id).get()).filter((message) => message !== null)
}

function textOf(message: ChatMessage | undefined): string {
  return (message?.pieces ?? []).map((piece) => ('text' in piece ? piece.text : '')).join('')
}

async function ask(store: OpenStore, text: string): Promise<void> {
  await vi.waitFor(() => expect(store.send({ text, files: [] })).toBe(true), PATIENCE)
  await vi.waitFor(() => {
    for (const chatId of store.columns.get()) expect(store.chat(chatId).get().runningId).toBeNull()
  }, PATIENCE)
}

describe.skipIf(url === undefined)('the store with a real gateway', { timeout: 60_000 }, () => {
  afterEach(() => {
    for (const store of stores.splice(0)) store.close()
  })

  it('shows after a reload what it has shown while the answer streamed in', async () => {
    const browser = new FakeBrowser()
    const page = browser.open()
    const store = openTab(page)
    await ask(store, 'Name a river.')
    const streamed = shown(store)
    expect(streamed.map((message) => message.state)).toEqual(['completed', 'completed'])
    expect(page.address).toBe(`/c/${firstChat(store)}`)
    const again = openTab(browser.open(page.address))
    await vi.waitFor(() => expect(shown(again)).toHaveLength(2), PATIENCE)
    expect(shown(again).map(({ createdAt: _, ...rest }) => rest)).toEqual(
      streamed.map(({ createdAt: _, ...rest }) => rest),
    )
  })

  it('shows an answer live in a second tab, which was opened in the middle of it', async () => {
    const browser = new FakeBrowser()
    const store = openTab(browser.open())
    await vi.waitFor(() => expect(store.send({ text: 'emulate 300 tokens', files: [] })).toBe(true), PATIENCE)
    const chatId = firstChat(store)
    await vi.waitFor(() => expect(textOf(shown(store)[1])).not.toBe(''), PATIENCE)
    const second = openTab(browser.open(`/c/${chatId}`))
    await vi.waitFor(() => expect(shown(second)[1]?.state).toBe('completed'), PATIENCE)
    await vi.waitFor(() => expect(shown(store)[1]?.state).toBe('completed'), PATIENCE)
    expect(textOf(shown(second)[1])).toBe(textOf(shown(store)[1]))
  })

  it('loses nothing when its socket is cut again and again, and asks once', async () => {
    const page = new FakeBrowser().open()
    const baseUrl = url ?? ''
    const openReal = openerFor(baseUrl)
    let cuts = 0
    const store = createStore({
      baseUrl,
      page,
      open: (protocols) => {
        const socket = openReal(protocols)
        if (cuts < 12) setTimeout(() => socket.close(), 20 + 15 * cuts)
        cuts += 1
        return socket
      },
    })
    stores.push(store)
    await vi.waitFor(() => expect(store.send({ text: 'emulate 400 tokens', files: [] })).toBe(true), PATIENCE)
    const hurry = setInterval(() => store.reconnect(), 400)
    await vi.waitFor(() => expect(shown(store)[1]?.state).toBe('completed'), PATIENCE)
    clearInterval(hurry)
    expect(cuts).toBeGreaterThan(2)
    const again = openTab(new FakeBrowser().open(page.address))
    await vi.waitFor(() => expect(shown(again)[1]?.state).toBe('completed'), PATIENCE)
    expect(shown(again)).toHaveLength(2)
    expect(shown(again)[1]?.siblings).toHaveLength(1)
    expect(textOf(shown(store)[1])).toBe(textOf(shown(again)[1]))
    expect(shown(store)[1]?.usage).toEqual(shown(again)[1]?.usage)
  })

  it('keeps branches: an edit, a second answer, and the way back to the first', async () => {
    const browser = new FakeBrowser()
    const page = browser.open()
    const store = openTab(page)
    await ask(store, 'first')
    await ask(store, 'second')
    const chatId = firstChat(store)
    const before = shown(store).map((message) => message.id)
    const [firstPrompt, firstAnswer] = before
    if (!firstPrompt || !firstAnswer) throw new Error('nothing is shown')
    store.editAndResend(chatId, firstPrompt, { text: 'first, edited', files: [] })
    await vi.waitFor(() => expect(store.chat(chatId).get().runningId).toBeNull(), PATIENCE)
    const edited = shown(store)
    expect(edited).toHaveLength(2)
    expect(edited[0]?.siblings).toHaveLength(2)
    store.regenerate(chatId, edited[1]?.id ?? '')
    await vi.waitFor(() => expect(shown(store)[1]?.state).toBe('completed'), PATIENCE)
    expect(shown(store)[1]?.siblings).toHaveLength(2)
    await store.selectBranch(chatId, firstPrompt)
    expect(shown(store).map((message) => message.id)).toEqual(before)
    const again = openTab(browser.open(page.address))
    await vi.waitFor(() => expect(shown(again).map((message) => message.id)).toEqual(before), PATIENCE)
    expect(shown(again)[0]?.siblings).toHaveLength(2)
  })

  it('stops an answer, and keeps what was said until then', async () => {
    const browser = new FakeBrowser()
    const page = browser.open()
    const store = openTab(page)
    await vi.waitFor(
      () => expect(store.send({ text: 'emulate 2000 tokens', files: [] })).toBe(true),
      PATIENCE,
    )
    const chatId = firstChat(store)
    await vi.waitFor(() => expect(textOf(shown(store)[1])).not.toBe(''), PATIENCE)
    store.stop(chatId)
    expect(shown(store)[1]?.stopping).toBe(true)
    await vi.waitFor(() => expect(shown(store)[1]?.state).toBe('stopped'), PATIENCE)
    expect(shown(store)[1]?.usage?.outputTokens).toBeGreaterThan(0)
    const again = openTab(browser.open(page.address))
    await vi.waitFor(() => expect(textOf(shown(again)[1])).toBe(textOf(shown(store)[1])), PATIENCE)
  })

  it('asks two models at once on one socket', async () => {
    const store = openTab(new FakeBrowser().open())
    await vi.waitFor(() => expect(store.models.get().length).toBeGreaterThan(1), PATIENCE)
    store.addColumn(store.models.get()[1]?.name ?? '')
    await ask(store, 'Name a river.')
    const answers = store.columns.get().map((chatId) => shown(store, chatId)[1])
    expect(answers.map((answer) => answer?.state)).toEqual(['completed', 'completed'])
    expect(answers[0]?.model).not.toBe(answers[1]?.model)
  })

  it('keeps nothing of a temporary chat, which goes on all the same', async () => {
    const page = new FakeBrowser().open()
    const store = openTab(page)
    store.newChat({ temporary: true })
    await ask(store, 'my name is Quartz')
    await ask(store, 'second')
    expect(textOf(shown(store)[3])).toContain('message 2')
    expect(page.address).toBe('/')
    await store.loadMore()
    expect(store.library.get().recent.map((line) => line.id)).not.toContain(firstChat(store))
  })

  it('renames, pins, finds, deletes and takes back', async () => {
    const store = openTab(new FakeBrowser().open())
    await ask(store, 'a pebble called Olivine')
    const chatId = firstChat(store)
    await store.rename(chatId, 'Peridotite')
    await store.pin(chatId, true)
    expect(store.library.get().pinned.map((line) => line.title)).toContain('Peridotite')
    expect(store.chat(chatId).get().title).toBe('Peridotite')
    store.searchFor('olivine')
    await vi.waitFor(() => expect(store.library.get().search.found.length).toBeGreaterThan(0), PATIENCE)
    const { name, blob } = await store.exportChat(chatId, 'markdown')
    expect(name).toBe('Peridotite.md')
    expect(await blob.text()).toContain('Olivine')
    await store.remove(chatId)
    expect(store.library.get().undo?.id).toBe(chatId)
    expect(firstChat(store)).not.toBe(chatId)
    await store.undoRemove()
    expect(store.library.get().pinned.map((line) => line.id)).toContain(chatId)
  })
})
