import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { branch, conversation, FakeApi, keptMessage } from '../testing/fakeApi'
import { StoreBench } from '../testing/storeBench'

const PATH = 'GET /api/conversations/c1'
const PATCH = 'PATCH /api/conversations/c1'
const siblings = ['u1', 'u1b']
const HERE = [keptMessage('u1', null, { siblings }), keptMessage('msg-t1', 'u1')]
const THERE = [keptMessage('u1b', null, { siblings }), keptMessage('msg-t9', 'u1b')]
const ON = [...HERE, keptMessage('u2', 'msg-t1'), keptMessage('msg-t2', 'u2')]

let api: FakeApi
let bench: StoreBench

async function open(path = '/c/c1'): Promise<void> {
  bench = new StoreBench({ api, path })
  await bench.settle()
}

/** Answers after so many milliseconds. */
function later(body: object, delayMs: number): Promise<{ body: object }> {
  return new Promise((tell) => setTimeout(() => tell({ body }), delayMs))
}

function isThere(query: Record<string, string>): boolean {
  return query.through === 'u1b' || query.through === 'msg-t9'
}

beforeEach(() => {
  vi.useFakeTimers()
  api = new FakeApi()
  api.on(PATH, ({ query }) => ({
    body: branch('c1', isThere(query) ? THERE : HERE),
    headers: { etag: '"1"' },
  }))
  api.on(PATCH, conversation('c1'))
})

afterEach(() => {
  bench.store.close()
  vi.useRealTimers()
})

describe('a branch that was chosen', () => {
  beforeEach(() => {
    const rest = branch('c1', HERE)
    api.on(PATH, ({ query }) => (query.through ? later(branch('c1', THERE), 1_000) : { body: rest }))
  })

  it('is left alone when a question was sent before it came', async () => {
    await open()
    void bench.store.selectBranch('c1', 'u1b')
    expect(bench.send('more')).toBe(true)
    await vi.advanceTimersByTimeAsync(2_000)
    expect(bench.texts()).toEqual(['says u1', 'says msg-t1', 'more', ''])
    expect(api.asked(PATCH)).toEqual([])
  })

  it('is left alone when another was chosen after it', async () => {
    await open()
    const slow = branch('c1', THERE)
    const quick = branch('c1', HERE)
    api.on(PATH, ({ query }) => (isThere(query) ? later(slow, 1_000) : later(quick, 10)))
    void bench.store.selectBranch('c1', 'u1b')
    void bench.store.selectBranch('c1', 'u1')
    await vi.advanceTimersByTimeAsync(2_000)
    expect(bench.texts()).toEqual(['says u1', 'says msg-t1'])
    expect(api.asked(PATCH).map((call) => call.body)).toEqual([{ leafId: 'msg-t1' }])
  })

  it('is shown though the chat was read again meanwhile', async () => {
    await open()
    api.on(PATH, ({ query }) =>
      query.through ? later(branch('c1', THERE), 500) : later(branch('c1', HERE), 1_000),
    )
    void bench.store.selectBranch('c1', 'u1b')
    bench.net.last.event('conversation-changed', { chatId: 'c1' })
    await vi.advanceTimersByTimeAsync(2_000)
    expect(bench.texts()).toEqual(['says u1b', 'says msg-t9'])
  })
})

describe('a chat that is read twice at once', () => {
  it('shows what the newer reading gave, whichever answers last', async () => {
    await open()
    const answers = [later(branch('c1', HERE), 600), later(branch('c1', ON), 10)]
    api.on(PATH, () => answers.shift() ?? { status: 304 })
    bench.net.last.event('conversation-changed', { chatId: 'c1' })
    bench.net.last.event('conversation-changed', { chatId: 'c1' })
    await vi.advanceTimersByTimeAsync(300)
    expect(bench.texts()).toHaveLength(4)
    await vi.advanceTimersByTimeAsync(600)
    expect(bench.texts()).toHaveLength(4)
  })
})

describe('a place that was found on another branch', () => {
  it('stays in sight when the chat is changed elsewhere', async () => {
    await open('/')
    bench.store.openChat('c1', { leafId: 'u1b' })
    await bench.settle()
    bench.net.last.event('conversation-changed', { chatId: 'c1' })
    await bench.settle()
    expect(api.asked(PATH)).toHaveLength(2)
    expect(bench.texts()).toEqual(['says u1b', 'says msg-t9'])
  })

  it('is left when the chat is opened again by its name', async () => {
    await open('/')
    bench.store.openChat('c1', { leafId: 'u1b' })
    await bench.settle()
    bench.store.openChat('c1')
    await bench.settle()
    expect(bench.texts()).toEqual(['says u1', 'says msg-t1'])
    expect(api.asked(PATH).at(-1)?.headers.get('if-none-match')).toBeNull()
  })

  it('is where the chat goes on: from then on the server is asked for its own branch', async () => {
    await open('/')
    bench.store.openChat('c1', { leafId: 'u1b' })
    await bench.settle()
    bench.send('more')
    await bench.answer(bench.question, 't2')
    bench.net.last.event('conversation-changed', { chatId: 'c1' })
    await bench.settle()
    expect(api.asked(PATH).at(-1)?.query).not.toHaveProperty('through')
  })
})
