import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { branch, FakeApi, keptMessage } from '../testing/fakeApi'
import { StoreBench } from '../testing/storeBench'

let api: FakeApi
let bench: StoreBench

beforeEach(() => {
  vi.useFakeTimers()
  api = new FakeApi()
  api.on('GET /api/conversations/c1', branch('c1', [keptMessage('u1', null), keptMessage('msg-t1', 'u1')]))
})

afterEach(() => {
  bench.store.close()
  vi.useRealTimers()
})

async function open(path = '/'): Promise<void> {
  bench = new StoreBench({ api, path })
  await bench.settle()
}

describe('going to a place on the page', () => {
  it('leaves a temporary chat where it is', async () => {
    await open()
    bench.store.newChat({ temporary: true })
    bench.send('hello')
    await bench.answer(bench.question, 't1')
    const { chatId } = bench
    bench.page.back('/')
    expect(bench.chatId).toBe(chatId)
    expect(bench.texts()).toHaveLength(2)
  })

  it('leaves the columns where they are', async () => {
    await open('/c/c1')
    bench.store.addColumn('anthropic')
    bench.page.back('/c/c1')
    expect(bench.store.columns.get()).toHaveLength(2)
  })
})

describe('taking the first column away', () => {
  it('moves what was typed to the next one, where the box stands then', async () => {
    await open('/c/c1')
    bench.store.addColumn('anthropic')
    const second = bench.store.columns.get()[1] ?? ''
    bench.store.setDraft('c1', 'half a sent')
    bench.store.removeColumn('c1')
    expect(bench.chatId).toBe(second)
    expect(bench.store.draft(second)).toBe('half a sent')
    expect(bench.store.chat(second).get().draftRevision).toBe(1)
    expect(bench.store.draft('c1')).toBe('')
  })

  it('keeps what was typed in chats that have not begun', async () => {
    await open()
    bench.store.addColumn('anthropic')
    bench.store.setDraft(bench.chatId, 'half a sent')
    bench.store.removeColumn(bench.chatId)
    expect(bench.store.draft(bench.chatId)).toBe('half a sent')
  })
})
