import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { branch, FakeApi, keptMessage } from '../testing/fakeApi'
import { FakeBrowser } from '../testing/fakePage'
import { StoreBench, textParts } from '../testing/storeBench'

const PATH = 'GET /api/conversations/c1'
const TWO = [keptMessage('u1', null), keptMessage('msg-t1', 'u1')]

let api: FakeApi
let bench: StoreBench

async function open(options: ConstructorParameters<typeof StoreBench>[0] = {}): Promise<StoreBench> {
  bench = new StoreBench({ api, path: '/c/c1', ...options })
  await bench.settle()
  return bench
}

beforeEach(() => {
  vi.useFakeTimers()
  api = new FakeApi()
  api.on(PATH, branch('c1', TWO))
})

afterEach(() => {
  bench.store.close()
  vi.useRealTimers()
})

describe('an answer that the server is making', () => {
  const RUNNING = [keptMessage('u1', null), keptMessage('msg-t1', 'u1', { state: 'running', parts: [] })]

  it('is shown from its beginning after a reload', async () => {
    api.on(PATH, branch('c1', RUNNING))
    await open()
    const resume = bench.net.last.lastSent('resume')
    expect(resume).toMatchObject({ id: 'c1', body: { turnId: 'turn-msg-t1' } })
    expect(resume).not.toHaveProperty('lastSequence')
    expect(bench.store.chat('c1').get().runningId).toBe('msg-t1')
    await bench.answer(resume, 't1', 'all of it')
    expect(bench.shown()[1]).toMatchObject({ id: 'msg-t1', state: 'completed' })
    expect(bench.texts()[1]).toBe('all of it')
  })

  it('is shown in a second tab as soon as it has begun in the first', async () => {
    const browser = new FakeBrowser()
    await open({ browser })
    const second = new StoreBench({ api, browser, path: '/c/c1' })
    await second.settle()
    bench.send('more')
    const [, , prompt] = bench.shown()
    const more = [
      ...TWO,
      keptMessage(prompt?.id ?? '', 'msg-t1', { role: 'user' }),
      keptMessage('msg-t2', prompt?.id ?? '', { state: 'running', parts: [] }),
    ]
    api.on(PATH, branch('c1', more))
    bench.accept(bench.question, 't2')
    await second.settle()
    await second.answer(second.net.last.lastSent('resume'), 't2', 'both see it')
    expect(second.texts()[3]).toBe('both see it')
    second.store.close()
  })

  it('never gets shorter while it is replayed', async () => {
    await open()
    bench.send('more')
    bench.accept(bench.question, 't2')
    bench.stream(bench.question, textParts('t2', 'a long text').slice(0, 4))
    await bench.settle()
    const [, , prompt] = bench.shown()
    const running = keptMessage('msg-t2', prompt?.id ?? '', { state: 'running', parts: [] })
    api.on(PATH, branch('c1', [...TWO, keptMessage(prompt?.id ?? '', 'msg-t1'), running]))
    bench.net.last.drop()
    bench.store.reconnect()
    await bench.settle()
    const expired = bench.net.last.lastSent('resume').requestId
    bench.net.last.say({
      type: 'error',
      requestId: expired,
      errorText: '',
      code: 'epoch_changed',
      retryable: false,
    })
    await bench.settle()
    const replay = bench.net.last.lastSent('resume')
    expect(replay.requestId).not.toBe(expired)
    bench.accept(replay, 't2')
    bench.stream(replay, textParts('t2', 'a long').slice(0, 4))
    await bench.settle()
    expect(bench.texts()[3]).toBe('a long text')
    bench.stream(replay, [{ type: 'text-delta', id: 'text-0', delta: ' text, and more' }], 4)
    await bench.settle()
    expect(bench.texts()[3]).toBe('a long text, and more')
  })

  it('that the server lost is shown as interrupted, with all that was seen of it', async () => {
    await open()
    bench.send('more')
    bench.accept(bench.question, 't2')
    bench.stream(bench.question, textParts('t2', 'seen').slice(0, 4))
    const [, , prompt] = bench.shown()
    const failure = { code: 'interrupted', message: 'the server stopped', retryable: true }
    const kept = keptMessage('msg-t2', prompt?.id ?? '', { state: 'interrupted', parts: [], failure })
    api.on(PATH, branch('c1', [...TWO, keptMessage(prompt?.id ?? '', 'msg-t1'), kept]))
    bench.net.last.drop()
    bench.store.reconnect()
    await bench.settle()
    const { requestId } = bench.net.last.lastSent('resume')
    bench.net.last.say({ type: 'error', requestId, errorText: '', code: 'not_found', retryable: false })
    await bench.settle()
    expect(bench.shown()[3]).toMatchObject({ state: 'interrupted', failure })
    expect(bench.texts()[3]).toBe('seen')
    expect(bench.store.chat('c1').get().runningId).toBeNull()
  })

  it('that is never to be had is not asked for without end', async () => {
    api.on(PATH, branch('c1', RUNNING))
    await open()
    bench.net.last.onsent = ({ type, requestId }) => {
      if (type === 'resume') bench.net.last.say({ type: 'no-active', requestId })
    }
    const { requestId } = bench.net.last.lastSent('resume')
    bench.net.last.say({ type: 'no-active', requestId })
    for (let seconds = 0; seconds < 600; seconds += 15) {
      bench.net.last.event('ping')
      await vi.advanceTimersByTimeAsync(15_000)
    }
    expect(bench.net.last.sent).toHaveLength(7)
    expect(bench.shown()[1]).toMatchObject({ state: 'interrupted', failure: { code: 'interrupted' } })
  })

  it('of another tab takes the place of a question that came too late', async () => {
    await open()
    bench.send('more')
    const other = [keptMessage('u2', 'msg-t1'), keptMessage('msg-t2', 'u2', { state: 'running', parts: [] })]
    api.on(PATH, branch('c1', [...TWO, ...other]))
    const { requestId } = bench.question
    bench.net.last.say({
      type: 'error',
      requestId,
      errorText: 'busy',
      code: 'already_active',
      retryable: true,
    })
    await bench.settle()
    expect(bench.texts()).toEqual(['says u1', 'says msg-t1', 'says u2', ''])
    expect(bench.shown()[2]?.siblings).toHaveLength(2)
    await bench.answer(bench.net.last.lastSent('resume'), 't2')
    expect(bench.shown()[3]?.state).toBe('completed')
  })
})
