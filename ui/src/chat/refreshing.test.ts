import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { branch, conversation, FakeApi, keptMessage } from '../testing/fakeApi'
import { StoreBench } from '../testing/storeBench'

const MODELS = { models: [{ name: 'llama3', model_id: 'meta.llama3', title: 'Llama 3', refuses: [] }] }
const ALL = ['GET /api/models', 'GET /healthz', 'GET /api/conversations', 'GET /api/conversations/c1']

let api: FakeApi
let bench: StoreBench

beforeEach(() => {
  vi.useFakeTimers()
  vi.spyOn(Math, 'random').mockReturnValue(0.5)
  api = new FakeApi()
})

afterEach(() => {
  bench.store.close()
  vi.restoreAllMocks()
  vi.useRealTimers()
})

describe('what could not be read', () => {
  it('is asked for again, after ever longer pauses, until it is there', async () => {
    api.refuse('GET /api/models', 503, 'busy')
    bench = new StoreBench({ api })
    await bench.settle()
    const others = api.asked('GET /healthz').length
    await vi.advanceTimersByTimeAsync(10_000)
    expect(api.asked('GET /api/models')).toHaveLength(6)
    expect(api.asked('GET /healthz')).toHaveLength(others)
    expect(bench.send('hello')).toBe(false)
    api.on('GET /api/models', MODELS)
    await vi.advanceTimersByTimeAsync(15_000)
    expect(bench.send('hello')).toBe(true)
    await vi.advanceTimersByTimeAsync(60_000)
    expect(api.asked('GET /api/models')).toHaveLength(7)
  })

  it('is the list, or the server itself, just so', async () => {
    api.refuse('GET /healthz', 502, 'busy')
    api.refuse('GET /api/conversations', 502, 'busy')
    bench = new StoreBench({ api })
    await bench.settle()
    expect(bench.store.library.get().load).toBe('failed')
    api.on('GET /healthz', { version: '1', region: 'r', upstream: 'emulator', key_required: false })
    api.on('GET /api/conversations', { conversations: [conversation('a')], cursor: null })
    await vi.advanceTimersByTimeAsync(5_000)
    expect(bench.store.library.get()).toMatchObject({ load: 'ready', recent: [{ id: 'a' }] })
    expect(bench.store.server.get()?.version).toBe('1')
  })

  it('is not asked for while there is no connection', async () => {
    api.refuse('GET /api/models', 503, 'busy')
    bench = new StoreBench({ api })
    await bench.settle()
    bench.net.last.drop(4401, 'a key is needed')
    const before = api.asked('GET /api/models').length
    await vi.advanceTimersByTimeAsync(60_000)
    expect(api.asked('GET /api/models')).toHaveLength(before)
  })

  it('does not count as fresh when the connection comes a moment later', async () => {
    for (const what of ALL) api.refuse(what, 502, 'busy')
    bench = new StoreBench({ api, path: '/c/c1' })
    await vi.advanceTimersByTimeAsync(20)
    expect(bench.store.chat('c1').get().load).toBe('failed')
    api.on('GET /api/models', MODELS)
    api.on('GET /api/conversations', { conversations: [], cursor: null })
    api.on('GET /api/conversations/c1', branch('c1', [keptMessage('u1', null)]))
    bench.net.last.accept()
    await vi.advanceTimersByTimeAsync(20)
    expect(bench.store.models.get()).toHaveLength(1)
    expect(bench.store.library.get().load).toBe('ready')
    expect(bench.store.chat('c1').get().load).toBe('ready')
  })
})

it('reads nothing twice when the connection comes a moment after the page', async () => {
  bench = new StoreBench({ api })
  await vi.advanceTimersByTimeAsync(20)
  bench.net.last.accept()
  await vi.advanceTimersByTimeAsync(60_000)
  expect(api.asked('GET /api/models')).toHaveLength(1)
})
