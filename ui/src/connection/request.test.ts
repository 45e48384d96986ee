import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { EMPTY_ANSWER } from '../protocol/answer'
import { reduce } from '../protocol/reduce'
import { ConnectionBench, chunkFrame, fold, QUESTION, startFrame } from '../testing/connectionBench'
import { fixture } from '../testing/fixtures'
import { ScriptedServer } from '../testing/scriptedServer'
import { type AnswerEvent, AnswerRequest } from './request'

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

describe('questions', () => {
  it('wait for a connection, and go out once', () => {
    bench.connection.start()
    bench.ask()
    expect(bench.net.last.sent).toEqual([])
    bench.net.last.accept()
    expect(bench.net.last.sent.map((frame) => frame.type)).toEqual(['send'])
  })

  it('make the page connect at once', () => {
    bench.goLive()
    bench.net.last.drop()
    bench.ask()
    expect(bench.net.sockets).toHaveLength(2)
  })

  it('are sent again with the same key when the socket was lost before they were taken', () => {
    bench.goLive()
    bench.ask()
    const first = bench.net.last.lastSent('send')
    bench.net.last.drop()
    vi.advanceTimersByTime(250)
    bench.net.last.accept()
    const second = bench.net.last.lastSent('send')
    expect(second.headers).toEqual(first.headers)
    expect({ ...second, requestId: '' }).toEqual({ ...first, requestId: '' })
    expect(second.requestId).not.toBe(first.requestId)
  })

  it('are resumed from the last part, with turn and epoch, once they were taken', () => {
    bench.goLive()
    const { kinds } = bench.ask()
    const { requestId } = bench.net.last.lastSent('send')
    bench.net.last.say(startFrame(requestId))
    bench.net.last.say(chunkFrame(requestId, 0))
    bench.net.last.say(chunkFrame(requestId, 1))
    bench.net.last.drop()
    vi.advanceTimersByTime(250)
    bench.net.last.accept()
    const resume = bench.net.last.lastSent('resume')
    expect(resume).toMatchObject({ id: 'c1', lastSequence: 1, body: { turnId: 't1', epoch: 'e1' } })
    bench.net.last.say(startFrame(resume.requestId))
    expect(kinds()).toEqual(['accepted', 'part', 'part', 'interrupted', 'resumed'])
  })

  it('are resumed from the beginning when nothing of the answer had come', () => {
    bench.goLive()
    bench.ask()
    bench.net.last.say(startFrame(bench.net.last.lastSent('send').requestId))
    bench.net.last.drop()
    vi.advanceTimersByTime(250)
    bench.net.last.accept()
    expect(bench.net.last.lastSent('resume')).not.toHaveProperty('lastSequence')
  })

  it('are over when only the last frame is missing', () => {
    bench.goLive()
    const { kinds } = bench.ask()
    const { requestId } = bench.net.last.lastSent('send')
    bench.net.last.say(startFrame(requestId))
    bench.net.last.say(chunkFrame(requestId, 0, { type: 'abort', reason: '' }))
    bench.net.last.drop()
    expect(kinds()).toEqual(['accepted', 'part', 'ended'])
  })

  it('tell why they were refused', () => {
    bench.goLive()
    const { events } = bench.ask()
    const { requestId } = bench.net.last.lastSent('send')
    const told = {
      errorText: 'wait',
      code: 'rate_limited',
      retryable: true,
      retryAfterMs: 50,
      awsRequestId: 'a',
    }
    bench.net.last.say({ type: 'error', requestId, ...told })
    const failure = {
      code: 'rate_limited',
      message: 'wait',
      retryable: true,
      retryAfterMs: 50,
      awsRequestId: 'a',
    }
    expect(events).toEqual([{ kind: 'refused', failure }])
  })

  it('tell how long they wait', () => {
    bench.goLive()
    const { events } = bench.ask()
    const { requestId } = bench.net.last.lastSent('send')
    bench.net.last.event('queued', { forRequestId: requestId, position: 3, etaMs: 900 })
    expect(events).toEqual([{ kind: 'queued', position: 3, etaMs: 900 }])
  })

  it.each([
    ['expired', { type: 'error', errorText: '', code: 'expired', retryable: false }],
    ['epoch_changed', { type: 'error', errorText: '', code: 'epoch_changed', retryable: false }],
    ['not_found', { type: 'error', errorText: '', code: 'not_found', retryable: false }],
    ['no-active', { type: 'no-active' }],
    ['end', { type: 'end' }],
  ])('are lost when the server says %s to a resume', (code, frame) => {
    bench.goLive()
    const { events } = bench.ask()
    bench.net.last.say(startFrame(bench.net.last.lastSent('send').requestId))
    bench.net.last.drop()
    vi.advanceTimersByTime(250)
    bench.net.last.accept()
    bench.net.last.say({ ...frame, requestId: bench.net.last.lastSent('resume').requestId })
    expect(events.at(-1)).toEqual({ kind: 'lost', code })
  })

  it.each(['no-active', 'not_found', 'storage'])(
    'for a running answer are lost when the server says %s',
    (code) => {
      bench.goLive()
      const events: AnswerEvent[] = []
      const wish = { kind: 'follow' as const, chatId: 'c1', turnId: 't1' }
      bench.connection.begin(new AnswerRequest(wish, (event) => events.push(event)))
      const { requestId } = bench.net.last.lastSent('resume')
      const error = { type: 'error', errorText: '', code, retryable: false }
      bench.net.last.say({ ...(code === 'no-active' ? { type: code } : error), requestId })
      expect(events).toEqual([{ kind: 'lost', code }])
    },
  )

  it.each([
    [4413, 'too_large'],
    [4400, 'invalid_request'],
  ])('are not repeated when the server closes with %i because of them', (code, name) => {
    bench.goLive()
    const { events } = bench.ask()
    bench.net.last.drop(code, 'the frame is too long')
    const failure = { code: name, message: 'the frame is too long', retryable: false }
    expect(events).toEqual([{ kind: 'refused', failure }])
    vi.advanceTimersByTime(250)
    bench.net.last.accept()
    expect(bench.net.last.sent).toEqual([])
  })
})

describe('streams', () => {
  it('pass over parts that came before', () => {
    bench.goLive()
    const { kinds } = bench.ask()
    const { requestId } = bench.net.last.lastSent('send')
    bench.net.last.say(startFrame(requestId))
    for (const sequence of [0, 1, 0, 1, 2]) bench.net.last.say(chunkFrame(requestId, sequence))
    expect(kinds()).toEqual(['accepted', 'part', 'part', 'part'])
  })

  it('go on from the last good part on another socket when one is missing', () => {
    bench.goLive()
    bench.ask()
    const { requestId } = bench.net.last.lastSent('send')
    bench.net.last.say(startFrame(requestId))
    bench.net.last.say(chunkFrame(requestId, 0))
    bench.net.last.say(chunkFrame(requestId, 2))
    expect(bench.connection.state.get()).toMatchObject({ phase: 'waiting', reason: 'broken' })
    vi.advanceTimersByTime(250)
    bench.net.last.accept()
    expect(bench.net.last.lastSent('resume')).toMatchObject({ lastSequence: 0 })
  })

  it('are given up when a server leaves out the same part three times', () => {
    bench.goLive()
    const { events } = bench.ask()
    for (const type of ['send', 'resume', 'resume']) {
      const { requestId } = bench.net.last.lastSent(type)
      bench.net.last.say(startFrame(requestId))
      bench.net.last.say(chunkFrame(requestId, 5))
      vi.advanceTimersByTime(10_000)
      bench.net.last.accept()
    }
    expect(events.at(-1)).toEqual({ kind: 'lost', code: 'protocol_violated' })
  })

  it('are not given up as long as each socket brings something', () => {
    bench.goLive()
    const { kinds } = bench.ask()
    for (let sequence = 0; sequence < 10; sequence += 1) {
      const { requestId } = bench.net.last.lastSent(sequence === 0 ? 'send' : 'resume')
      bench.net.last.say(startFrame(requestId))
      bench.net.last.say(chunkFrame(requestId, sequence))
      bench.net.last.say(chunkFrame(requestId, sequence + 2))
      bench.connection.reconnect()
      bench.net.last.accept()
    }
    expect(kinds()).not.toContain('lost')
  })

  it('count parts of kinds that the page does not know', () => {
    bench.goLive()
    bench.ask()
    const { requestId } = bench.net.last.lastSent('send')
    bench.net.last.say(startFrame(requestId))
    bench.net.last.say({ ...chunkFrame(requestId, 0), chunk: { type: 'video' } })
    bench.net.last.say(chunkFrame(requestId, 1))
    expect(bench.phase).toBe('live')
  })

  it('share one socket', () => {
    bench.goLive()
    const one = bench.ask()
    const two = bench.ask({ ...QUESTION, chatId: 'c2', idempotencyKey: 'q2' })
    const [first, second] = bench.net.last.sent
    bench.net.last.say(startFrame(second?.requestId ?? ''))
    bench.net.last.say(chunkFrame(second?.requestId ?? '', 0))
    bench.net.last.say(startFrame(first?.requestId ?? ''))
    expect(one.kinds()).toEqual(['accepted'])
    expect(two.kinds()).toEqual(['accepted', 'part'])
    expect(bench.net.sockets).toHaveLength(1)
  })

  const { parts } = fixture('calls')
  const positions = Array.from({ length: parts.length + 3 }, (_, position) => position)

  it.each(positions)('are whole after a loss at frame %i', async (position) => {
    const server = new ScriptedServer(bench.net, parts, [position])
    bench.connection.start()
    const { events } = bench.ask()
    await vi.advanceTimersByTimeAsync(5_000)
    expect(fold(events)).toEqual(parts.reduce(reduce, EMPTY_ANSWER))
    expect(events.at(-1)).toEqual({ kind: 'ended' })
    expect(server.turns.size).toBe(1)
  })

  it.each(positions)('are whole after one loss after another, each %i frames further', async (step) => {
    const server = new ScriptedServer(
      bench.net,
      parts,
      Array.from({ length: 40 }, () => step + 2),
    )
    bench.connection.start()
    const { events } = bench.ask()
    await vi.advanceTimersByTimeAsync(600_000)
    expect(fold(events)).toEqual(parts.reduce(reduce, EMPTY_ANSWER))
    expect(events.filter((event) => event.kind === 'part')).toHaveLength(parts.length)
    expect(server.turns.size).toBe(1)
  })
})

describe('stopping', () => {
  it('asks the server, and listens to the end', () => {
    bench.goLive()
    const { request, kinds } = bench.ask()
    const { requestId } = bench.net.last.lastSent('send')
    bench.net.last.say(startFrame(requestId))
    bench.connection.stop(request)
    bench.connection.stop(request)
    expect(bench.net.last.sent.filter((frame) => frame.type === 'abort')).toEqual([
      { type: 'abort', requestId },
    ])
    bench.net.last.say(chunkFrame(requestId, 0))
    bench.net.last.say(chunkFrame(requestId, 1, { type: 'abort', reason: 'stopped' }))
    bench.net.last.say({ type: 'end', requestId })
    expect(kinds()).toEqual(['accepted', 'part', 'part', 'ended'])
  })

  it('sends nothing of what was never sent', () => {
    bench.connection.start()
    const { request, kinds } = bench.ask()
    bench.connection.stop(request)
    expect(kinds()).toEqual(['cancelled'])
    bench.net.last.accept()
    expect(bench.net.last.sent).toEqual([])
  })

  it('is asked for again after a lost socket', () => {
    bench.goLive()
    const { request } = bench.ask()
    bench.net.last.say(startFrame(bench.net.last.lastSent('send').requestId))
    bench.net.last.drop()
    bench.connection.stop(request)
    vi.advanceTimersByTime(250)
    bench.net.last.accept()
    expect(bench.net.last.sent.map((frame) => frame.type)).toEqual(['resume', 'abort'])
    expect(bench.net.last.sent[0]?.requestId).toBe(bench.net.last.sent[1]?.requestId)
  })

  it('repeats a question that may have arrived, to stop it', () => {
    bench.goLive()
    const { request } = bench.ask()
    bench.net.last.drop()
    bench.connection.stop(request)
    vi.advanceTimersByTime(250)
    bench.net.last.accept()
    expect(bench.net.last.sent.map((frame) => frame.type)).toEqual(['send', 'abort'])
  })
})
