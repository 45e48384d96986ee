import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ConnectionBench, chunkFrame, QUESTION, startFrame } from '../testing/connectionBench'

let bench: ConnectionBench

beforeEach(() => {
  vi.useFakeTimers()
  vi.spyOn(Math, 'random').mockReturnValue(0.5)
  bench = new ConnectionBench()
})

afterEach(() => {
  bench.connection.close()
  vi.restoreAllMocks()
  vi.useRealTimers()
})

describe('connecting', () => {
  it('is idle, then connecting, then live', () => {
    expect(bench.phase).toBe('idle')
    bench.connection.start()
    expect(bench.phase).toBe('connecting')
    bench.net.last.accept()
    expect(bench.phase).toBe('live')
  })

  it('waits longer after each failure, up to half a minute', () => {
    bench.connection.start()
    const waits = Array.from({ length: 9 }, () => {
      bench.net.last.drop()
      const state = bench.connection.state.get()
      if (state.phase !== 'waiting') throw new Error(state.phase)
      const waitMs = state.retryAt - Date.now()
      vi.advanceTimersByTime(waitMs)
      return waitMs
    })
    expect(waits).toEqual([250, 500, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000])
    expect(bench.net.sockets).toHaveLength(10)
  })

  it('begins with short waits again after a connection that held', () => {
    bench.goLive()
    bench.net.last.drop()
    vi.advanceTimersByTime(250)
    bench.net.last.accept()
    bench.net.last.drop()
    expect(bench.connection.state.get()).toMatchObject({ retryAt: Date.now() + 500 })
    vi.advanceTimersByTime(500)
    bench.net.last.accept()
    vi.advanceTimersByTime(15_000)
    bench.net.last.drop()
    expect(bench.connection.state.get()).toMatchObject({ retryAt: Date.now() + 250, reason: 'lost' })
  })

  it('gives up a handshake that nobody answers after ten seconds', () => {
    bench.connection.start()
    vi.advanceTimersByTime(10_000)
    expect(bench.connection.state.get()).toMatchObject({ phase: 'waiting', reason: 'unreachable' })
    expect(bench.net.last.isClosed).toBe(true)
  })

  it('connects at once when the network is back, when the tab is seen again, and when the person asks for it', () => {
    bench.goLive()
    for (const hurry of [
      () => bench.net.goOnline(),
      () => bench.net.wake(),
      () => bench.connection.reconnect(),
    ]) {
      const before = bench.net.sockets.length
      bench.net.last.drop()
      expect(bench.phase).toBe('waiting')
      hurry()
      expect(bench.net.sockets).toHaveLength(before + 1)
      bench.net.last.accept()
      expect(bench.phase).toBe('live')
    }
  })

  it('says that it is offline while the browser says so, and tries all the same', () => {
    bench.goLive()
    bench.net.goOffline()
    expect(bench.phase).toBe('offline')
    expect(bench.net.sockets[0]?.isClosed).toBe(true)
    vi.advanceTimersByTime(250)
    expect(bench.net.sockets).toHaveLength(2)
    expect(bench.phase).toBe('offline')
    bench.net.last.accept()
    expect(bench.phase).toBe('live')
  })

  it('connects at once when the browser is online again', () => {
    bench.connection.start()
    bench.net.isOnline = false
    bench.net.last.drop()
    expect(bench.phase).toBe('offline')
    bench.net.goOnline()
    expect(bench.phase).toBe('connecting')
  })

  it('closes the socket for good when it is closed', () => {
    bench.goLive()
    bench.connection.close()
    vi.advanceTimersByTime(120_000)
    expect(bench.net.sockets).toHaveLength(1)
    expect(bench.phase).toBe('idle')
  })
})

describe('keys', () => {
  it('offers a key as a subprotocol, and none where there is none', () => {
    bench.connection.start()
    expect(bench.net.last.protocols).toEqual(['outcrop'])
    bench.key = 'outcrop_abc'
    bench.connection.reconnect()
    expect(bench.net.last.protocols).toEqual(['outcrop', 'outcrop.key.outcrop_abc'])
  })

  it.each([
    [4401, 'key_required'],
    [4403, 'not_allowed'],
  ])('stays refused after close code %i until the person does something', (code, name) => {
    bench.goLive()
    const { kinds } = bench.ask()
    bench.net.last.drop(code, 'no')
    expect(bench.connection.state.get()).toEqual({ phase: 'refused', code: name, reason: 'no' })
    bench.net.wake()
    vi.advanceTimersByTime(120_000)
    expect(bench.net.sockets).toHaveLength(1)
    bench.connection.reconnect()
    bench.net.last.accept()
    expect(bench.net.last.lastSent('send').headers).toEqual({ 'idempotency-key': 'q1' })
    expect(kinds()).toEqual([])
  })

  it.each([
    [null, 'unsupported'],
    ['ümlaut', 'key_required'],
  ])('says so when the browser refuses to open a socket (key: %s)', (given, code) => {
    bench.key = given
    bench.net.onopening = () => {
      throw new SyntaxError('no')
    }
    bench.connection.start()
    expect(bench.connection.state.get()).toMatchObject({ phase: 'refused', code })
  })
})

describe('the heartbeat', () => {
  it('takes a socket for dead that is silent for 25 s', () => {
    bench.goLive()
    vi.advanceTimersByTime(24_999)
    expect(bench.phase).toBe('live')
    vi.advanceTimersByTime(1)
    expect(bench.connection.state.get()).toMatchObject({ phase: 'waiting', reason: 'silent' })
    expect(bench.net.sockets[0]?.isClosed).toBe(true)
  })

  it('lives as long as anything comes', () => {
    bench.goLive()
    for (let count = 0; count < 10; count += 1) {
      vi.advanceTimersByTime(15_000)
      bench.net.last.event('ping')
    }
    expect(bench.phase).toBe('live')
    expect(bench.net.sockets).toHaveLength(1)
  })

  it('notices at once, when the tab is seen again, that the computer has slept', () => {
    bench.goLive()
    vi.setSystemTime(Date.now() + 3_600_000)
    bench.net.wake()
    expect(bench.net.sockets).toHaveLength(2)
    expect(bench.phase).toBe('connecting')
  })

  it('hears nothing more of a socket that it gave up', () => {
    bench.goLive()
    const [first] = bench.net.sockets
    const { kinds } = bench.ask()
    vi.advanceTimersByTime(25_000)
    vi.advanceTimersByTime(250)
    bench.net.last.accept()
    if (first) first.isClosed = false
    first?.say(startFrame('r1'))
    first?.event('conversation-changed', { chatId: 'c9' })
    expect(bench.changed).toEqual([])
    expect(kinds()).toEqual([])
  })
})

describe('a server that is stopping', () => {
  it('ends its answers on its own socket, while new questions go to another', () => {
    bench.goLive()
    const running = bench.ask()
    const [old] = bench.net.sockets
    const requestId = old?.lastSent('send').requestId ?? ''
    old?.say(startFrame(requestId))
    old?.event('draining', { retryAfterMs: 2_000 })
    expect(bench.connection.state.get()).toEqual({ phase: 'draining', retryAt: Date.now() + 2_000 })
    const late = bench.ask({ ...QUESTION, chatId: 'c2', idempotencyKey: 'q2' })
    vi.advanceTimersByTime(2_000)
    bench.net.last.accept()
    expect(bench.phase).toBe('live')
    expect(bench.net.last.lastSent('send').id).toBe('c2')
    old?.say(chunkFrame(requestId, 0, { type: 'abort', reason: '' }))
    old?.say({ type: 'end', requestId })
    old?.drop(1012)
    expect(running.kinds()).toEqual(['accepted', 'part', 'ended'])
    expect(late.kinds()).toEqual([])
    expect(bench.phase).toBe('live')
  })

  it('is gone before its answers have ended: they go on elsewhere', () => {
    bench.goLive()
    bench.ask()
    const [old] = bench.net.sockets
    old?.say(startFrame(old.lastSent('send').requestId))
    old?.event('draining', { retryAfterMs: 2_000 })
    vi.advanceTimersByTime(2_000)
    bench.net.last.accept()
    expect(bench.net.last.sent).toEqual([])
    old?.drop(1012)
    expect(bench.net.last.lastSent('resume')).toMatchObject({ id: 'c1', body: { turnId: 't1' } })
  })

  it('is gone before the new connection is there', () => {
    bench.goLive()
    bench.ask()
    const [old] = bench.net.sockets
    old?.say(startFrame(old.lastSent('send').requestId))
    old?.event('draining', { retryAfterMs: 2_000 })
    old?.drop(1012)
    expect(bench.phase).toBe('draining')
    vi.advanceTimersByTime(2_000)
    bench.net.last.accept()
    expect(bench.net.last.lastSent('resume')).toMatchObject({ id: 'c1' })
  })

  it('turns a question away, which then goes to another with the same key', () => {
    bench.goLive()
    const { kinds } = bench.ask()
    const [old] = bench.net.sockets
    const requestId = old?.lastSent('send').requestId ?? ''
    old?.say({ type: 'error', requestId, errorText: 'stopping', code: 'draining', retryable: true })
    expect(bench.phase).toBe('draining')
    vi.advanceTimersByTime(1_250)
    bench.net.last.accept()
    expect(bench.net.last.lastSent('send').headers).toEqual({ 'idempotency-key': 'q1' })
    expect(kinds()).toEqual([])
  })

  it('turns a question away at last, which then goes to the connection that is there', () => {
    bench.goLive()
    bench.ask()
    const [old] = bench.net.sockets
    const requestId = old?.lastSent('send').requestId ?? ''
    old?.event('draining', { retryAfterMs: 2_000 })
    vi.advanceTimersByTime(2_000)
    bench.net.last.accept()
    old?.say({ type: 'error', requestId, errorText: 'stopping', code: 'draining', retryable: true })
    expect(bench.net.last.lastSent('send').headers).toEqual({ 'idempotency-key': 'q1' })
  })

  it('is asked ever more seldom while it turns a question away, and given up after a while', () => {
    bench.goLive()
    const { events } = bench.ask()
    const waits: number[] = []
    while (events.length === 0) {
      const { requestId } = bench.net.last.lastSent('send')
      bench.net.last.say({
        type: 'error',
        requestId,
        errorText: 'stopping',
        code: 'draining',
        retryable: true,
      })
      const state = bench.connection.state.get()
      if (state.phase !== 'draining') break
      waits.push(state.retryAt - Date.now())
      vi.advanceTimersByTime(state.retryAt - Date.now())
      bench.net.last.accept()
    }
    expect(waits).toEqual([1250, 1500, 2000, 3000, 5000, 9000, 16_000, 16_000])
    expect(events).toEqual([
      { kind: 'refused', failure: { code: 'draining', message: 'stopping', retryable: true } },
    ])
    expect(bench.net.sockets.filter((socket) => !socket.isClosed)).toEqual([bench.net.last])
  })
})

it('tells of conversations that were changed elsewhere', () => {
  bench.goLive()
  bench.net.last.event('conversation-changed', { chatId: 'c9' })
  expect(bench.changed).toEqual(['c9'])
})
