import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { branch, conversation, FakeApi } from '../testing/fakeApi'
import { FakeBrowser } from '../testing/fakePage'
import { StoreBench } from '../testing/storeBench'

let api: FakeApi
let bench: StoreBench

async function open(options: ConstructorParameters<typeof StoreBench>[0] = {}): Promise<StoreBench> {
  bench = new StoreBench({ api, ...options })
  await bench.settle()
  return bench
}

beforeEach(() => {
  vi.useFakeTimers()
  api = new FakeApi()
  const pinned = conversation('p1', { pinnedAt: 5 })
  const pages: Record<string, object> = {
    pinned: { conversations: [pinned], cursor: null },
    all: { conversations: [pinned, conversation('a'), conversation('b')], cursor: 'next' },
    next: { conversations: [conversation('b'), conversation('c')], cursor: null },
  }
  api.on('GET /api/conversations', ({ query }) => ({ body: pages[query.cursor ?? query.show ?? ''] }))
  for (const id of ['a', 'b', 'made']) {
    const answer = { body: conversation(id, { title: 'new title', pinnedAt: 7 }) }
    api.on(`GET /api/conversations/${id}`, branch(id, []))
    api.on(`PATCH /api/conversations/${id}`, () => answer)
    api.on(`DELETE /api/conversations/${id}`, () => answer)
    api.on(`POST /api/conversations/${id}/restore`, () => answer)
  }
})

afterEach(() => {
  bench.store.close()
  vi.useRealTimers()
})

function ids(lines: readonly { id: string }[]): string[] {
  return lines.map((line) => line.id)
}

describe('the list', () => {
  it('has pinned conversations apart, and goes on page by page', async () => {
    await open()
    const { library } = bench.store
    expect(library.get()).toMatchObject({ load: 'ready', hasMore: true })
    expect(ids(library.get().pinned)).toEqual(['p1'])
    expect(ids(library.get().recent)).toEqual(['a', 'b'])
    await bench.store.loadMore()
    expect(ids(library.get().recent)).toEqual(['a', 'b', 'c'])
    expect(library.get().hasMore).toBe(false)
  })

  it('can fail, and says why', async () => {
    api.refuse('GET /api/conversations', 503, 'storage', 'the disk is full')
    await open()
    expect(bench.store.library.get()).toMatchObject({ load: 'failed', failure: 'the disk is full' })
  })

  it('stays as long as it is when it is read again', async () => {
    await open()
    const { library } = bench.store
    await bench.store.loadMore()
    bench.net.last.event('conversation-changed', { chatId: 'x' })
    await bench.settle()
    expect(ids(library.get().recent)).toEqual(['a', 'b', 'c'])
    expect(library.get().hasMore).toBe(false)
    api.on('GET /api/conversations', { conversations: [conversation('a')], cursor: null })
    bench.net.last.event('conversation-changed', { chatId: 'x' })
    await bench.settle()
    expect(ids(library.get().recent)).toEqual(['a'])
  })

  it('shows what the newer reading gave, whichever answers last', async () => {
    await open()
    const answer = (title: string, delayMs: number) => {
      const body = { conversations: [conversation('a', { title })], cursor: null }
      api.on('GET /api/conversations', () => new Promise((tell) => setTimeout(() => tell({ body }), delayMs)))
    }
    const titles = () => bench.store.library.get().recent.map((line) => line.title)
    answer('old', 1_000)
    bench.net.last.event('conversation-changed', { chatId: 'a' })
    await bench.settle()
    answer('new', 10)
    bench.net.last.event('conversation-changed', { chatId: 'a' })
    await bench.settle()
    expect(titles()).toEqual(['new'])
    await vi.advanceTimersByTimeAsync(2_000)
    expect(titles()).toEqual(['new'])
  })

  it('is read once for several changes', async () => {
    await open()
    const before = api.asked('GET /api/conversations').length
    for (const chatId of ['x', 'y', 'z']) bench.net.last.event('conversation-changed', { chatId })
    await bench.settle()
    expect(api.asked('GET /api/conversations')).toHaveLength(before + 2)
  })
})

describe('searching', () => {
  const found = (id: string) => ({
    conversation: conversation(id),
    messageId: 'm',
    role: 'user',
    snippet: 'a river',
    marks: [{ start: 2, end: 7 }],
  })

  it('asks a moment after the last letter, and goes on page by page', async () => {
    api.on('GET /api/search', ({ query }) => ({
      body: query.cursor ? { found: [found('b')], cursor: null } : { found: [found('a')], cursor: 'more' },
    }))
    await open()
    for (const text of ['r', 'ri', 'riv']) bench.store.searchFor(text)
    expect(bench.store.library.get().search).toMatchObject({ text: 'riv', load: 'loading' })
    await bench.settle()
    expect(api.asked('GET /api/search').map((call) => call.query)).toEqual([{ q: 'riv' }])
    expect(bench.store.library.get().search).toMatchObject({ load: 'ready', hasMore: true })
    await bench.store.loadMore()
    expect(ids(bench.store.library.get().search.found.map((each) => each.conversation))).toEqual(['a', 'b'])
    bench.store.searchFor('')
    expect(bench.store.library.get().search).toEqual({ text: '', found: [], load: 'idle', hasMore: false })
  })

  it('can fail, and says why', async () => {
    api.refuse('GET /api/search', 400, 'invalid_request', 'too many words')
    await open()
    bench.store.searchFor('many words')
    await bench.settle()
    expect(bench.store.library.get().search.load).toBe('failed')
    expect(bench.store.notice.get()).toBe('too many words')
  })

  it('keeps what was found when there is no getting more, and goes on from there', async () => {
    const pages = { body: { found: [found('a')], cursor: 'more' } }
    api.on('GET /api/search', ({ query }) => (query.cursor ? { status: 503 } : pages))
    await open()
    bench.store.searchFor('river')
    await bench.settle()
    await bench.store.loadMore()
    const { search } = bench.store.library.get()
    expect(search).toMatchObject({ load: 'failed', hasMore: true, found: [{ snippet: 'a river' }] })
    api.on('GET /api/search', { found: [found('b')], cursor: null })
    await bench.store.loadMore()
    expect(bench.store.library.get().search).toMatchObject({ load: 'ready', hasMore: false })
    expect(bench.store.library.get().search.found).toHaveLength(2)
  })

  it('is not meant by blanks: there is more of the list', async () => {
    await open()
    bench.store.searchFor(' ')
    await bench.store.loadMore()
    expect(ids(bench.store.library.get().recent)).toEqual(['a', 'b', 'c'])
    expect(api.asked('GET /api/search')).toEqual([])
  })
})

describe('keeping', () => {
  it('renames and pins, and tells the other tabs', async () => {
    await open({ path: '/c/a' })
    await bench.store.rename('a', 'new title')
    await bench.store.pin('a', true)
    expect(api.asked('PATCH /api/conversations/a').map((call) => call.body)).toEqual([
      { title: 'new title' },
      { pinned: true },
    ])
    expect(bench.page.told.at(-1)).toEqual({ kind: 'changed', chatId: 'a' })
  })

  it('deletes, leaves the chat, and takes it back for a while', async () => {
    await open({ path: '/c/a' })
    await bench.store.remove('a')
    expect(bench.store.library.get().undo?.id).toBe('a')
    expect(bench.chatId).not.toBe('a')
    expect(bench.page.address).toBe('/')
    await bench.store.undoRemove()
    expect(api.asked('POST /api/conversations/a/restore')).toHaveLength(1)
    expect(bench.store.library.get().undo).toBeNull()
    await bench.store.remove('b')
    await vi.advanceTimersByTimeAsync(15_000)
    expect(bench.store.library.get().undo).toBeNull()
    await bench.store.undoRemove()
    expect(api.asked('POST /api/conversations/b/restore')).toEqual([])
  })

  it('asks for nothing of a chat that is being deleted, whoever speaks of it', async () => {
    await open({ path: '/c/a' })
    const before = api.asked('GET /api/conversations/a').length
    api.on('DELETE /api/conversations/a', () => {
      bench.net.last.event('conversation-changed', { chatId: 'a' })
      return { body: conversation('a') }
    })
    await bench.store.remove('a')
    expect(api.asked('GET /api/conversations/a')).toHaveLength(before)
    expect(bench.chatId).not.toBe('a')
  })

  it('says it when something could not be changed', async () => {
    await open({ path: '/c/a' })
    api.refuse('DELETE /api/conversations/a', 404, 'not_found', 'there is no such conversation')
    await bench.store.remove('a')
    expect(bench.store.notice.get()).toBe('there is no such conversation')
    expect(bench.chatId).toBe('a')
  })

  it('names a file after the title, without what file names can not have', async () => {
    api.on('GET /api/conversations', {
      conversations: [conversation('a', { title: 'rivers: a/b?' })],
      cursor: null,
    })
    api.on('GET /api/conversations/a/export', ({ query }) => ({ body: query }))
    await open()
    const { name, blob } = await bench.store.exportChat('a', 'markdown')
    expect(name).toBe('rivers a b.md')
    expect(JSON.parse(await blob.text())).toEqual({ format: 'markdown' })
    expect((await bench.store.exportChat('a', 'json')).name).toBe('rivers a b.json')
  })

  it('puts in what was taken out, and shows it', async () => {
    api.on('POST /api/conversations/import', () => ({ status: 201, body: conversation('made') }))
    await open()
    await bench.store.importChat(new File(['{"version": 1}'], 'a.json'))
    expect(api.asked('POST /api/conversations/import')[0]?.body).toEqual({ version: 1 })
    expect(bench.chatId).toBe('made')
  })

  it('shows a new title in every tab', async () => {
    const browser = new FakeBrowser()
    await open({ browser, path: '/c/a' })
    const second = new StoreBench({ api, browser, path: '/c/a' })
    await second.settle()
    api.on('GET /api/conversations', {
      conversations: [conversation('a', { title: 'new title' })],
      cursor: null,
    })
    await bench.store.rename('a', 'new title')
    await second.settle()
    expect(second.store.chat('a').get().title).toBe('new title')
    second.store.close()
  })
})
