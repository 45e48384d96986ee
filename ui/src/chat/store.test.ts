import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { FakeApi } from '../testing/fakeApi'
import { StoreBench, textParts } from '../testing/storeBench'

let bench: StoreBench

async function open(options: ConstructorParameters<typeof StoreBench>[0] = {}): Promise<StoreBench> {
  bench = new StoreBench(options)
  await bench.settle()
  return bench
}

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  bench.store.close()
  vi.useRealTimers()
})

describe('a question', () => {
  it('is shown at once, before anything was sent', async () => {
    bench = new StoreBench()
    await vi.advanceTimersByTimeAsync(0)
    expect(bench.send('hello')).toBe(true)
    expect(bench.shown().map(({ role, state }) => [role, state])).toEqual([
      ['user', 'sending'],
      ['assistant', 'sending'],
    ])
    expect(bench.page.address).toBe(`/c/${bench.chatId}`)
    expect(bench.net.last.sent).toEqual([])
    await bench.settle()
    expect(bench.net.last.sent).toHaveLength(1)
  })

  it('bears only what is new, and the first one of a chat no parent', async () => {
    await open()
    bench.send('hello')
    const [prompt] = bench.shown()
    expect(bench.question).toMatchObject({
      id: bench.chatId,
      trigger: 'submit-message',
      messages: [{ id: prompt?.id, role: 'user', parts: [{ type: 'text', text: 'hello' }] }],
      body: { model: 'llama3' },
    })
    expect(bench.question.body).not.toHaveProperty('parentId')
  })

  it('follows the last answer', async () => {
    await open()
    bench.send('hello')
    await bench.answer(bench.question, 't1')
    bench.send('more')
    expect(bench.question.body).toMatchObject({ parentId: 'msg-t1' })
    expect(bench.question.messages).toHaveLength(1)
    expect(bench.shown()).toHaveLength(4)
  })

  it('is not taken while an answer runs, without a model, or when there is nothing in it', async () => {
    bench = new StoreBench()
    expect(bench.send('hello')).toBe(false)
    await bench.settle()
    expect(bench.send('  ')).toBe(false)
    expect(bench.send('hello')).toBe(true)
    expect(bench.send('again')).toBe(false)
    expect(bench.shown()).toHaveLength(2)
  })

  it('takes files along', async () => {
    await open()
    const file = {
      key: 'f',
      name: 'a.png',
      mediaType: 'image/png',
      bytes: 1,
      url: 'data:image/png;base64,AA==',
    }
    bench.store.send({ text: '', files: [file] })
    expect(bench.question.messages?.[0]?.parts).toEqual([
      { type: 'file', mediaType: 'image/png', url: file.url, filename: 'a.png' },
    ])
  })

  it('that the server refuses stays, with the reason, and can be asked again', async () => {
    await open()
    bench.send('hello')
    const first = bench.question
    const [prompt, answer] = bench.shown()
    const told = { errorText: 'wait', code: 'rate_limited', retryable: true }
    bench.net.last.say({ type: 'error', requestId: first.requestId, ...told })
    const failure = { code: 'rate_limited', message: 'wait', retryable: true }
    expect(bench.shown()).toMatchObject([{ state: 'failed' }, { state: 'failed', failure }])
    expect(bench.store.chat(bench.chatId).get().runningId).toBeNull()
    bench.store.regenerate(bench.chatId, answer?.id ?? '')
    expect(bench.shown()).toMatchObject([{ state: 'sending' }, { state: 'sending' }])
    expect(bench.shown()[1]).not.toHaveProperty('failure')
    expect(bench.question).toMatchObject({ trigger: 'submit-message', messages: [{ id: prompt?.id }] })
    expect(bench.question.headers).not.toEqual(first.headers)
    await bench.answer(bench.question, 't1')
    expect(bench.shown()).toMatchObject([{ state: 'completed' }, { id: 'msg-t1', state: 'completed' }])
  })

  it('after a refused one stands in its place, and the refused one can be looked at', async () => {
    await open()
    bench.send('one')
    await bench.answer(bench.question, 't1')
    bench.send('two')
    const refused = bench.shown()[2]
    const told = { errorText: 'no', code: 'invalid_request', retryable: false }
    bench.net.last.say({ type: 'error', requestId: bench.question.requestId, ...told })
    bench.send('three')
    expect(bench.question.body).toMatchObject({ parentId: 'msg-t1' })
    await bench.answer(bench.question, 't2')
    expect(bench.texts()).toEqual(['one', 'says msg-t1', 'three', 'says msg-t2'])
    expect(bench.shown()[2]?.siblings).toHaveLength(2)
    await bench.store.selectBranch(bench.chatId, refused?.id ?? '')
    expect(bench.texts().slice(0, 3)).toEqual(['one', 'says msg-t1', 'two'])
  })

  it('waits in a queue, and says where', async () => {
    await open()
    bench.send('hello')
    bench.net.last.event('queued', { forRequestId: bench.question.requestId, position: 2 })
    expect(bench.shown()[1]).toMatchObject({ state: 'queued', queue: { position: 2 } })
    await bench.answer(bench.question, 't1')
    expect(bench.shown()[1]).not.toHaveProperty('queue')
  })

  it('that was stopped before it was sent is never sent', async () => {
    bench = new StoreBench()
    await vi.advanceTimersByTimeAsync(0)
    bench.send('hello')
    bench.store.stop(bench.chatId)
    await bench.settle()
    expect(bench.net.last.sent).toEqual([])
    expect(bench.shown()[1]?.state).toBe('stopped')
  })
})

describe('an answer', () => {
  it('changes only its own message while it streams, once a frame', async () => {
    await open()
    bench.send('hello')
    const { question } = bench
    bench.accept(question, 't1')
    const parts = textParts('t1', 'x')
    bench.stream(question, parts.slice(0, 3))
    await bench.settle()
    const seen = { chat: 0, prompt: 0, answer: 0 }
    const [prompt, answer] = bench.shown()
    bench.store.chat(bench.chatId).subscribe(() => (seen.chat += 1))
    bench.store.message(bench.chatId, prompt?.id ?? '').subscribe(() => (seen.prompt += 1))
    bench.store.message(bench.chatId, answer?.id ?? '').subscribe(() => (seen.answer += 1))
    for (let frame = 0; frame < 3; frame += 1) {
      const deltas = Array.from({ length: 50 }, () => ({
        type: 'text-delta' as const,
        id: 'text-0',
        delta: 'ab',
      }))
      bench.stream(question, deltas, 3 + frame * 50)
      await vi.advanceTimersByTimeAsync(16)
    }
    expect(seen).toEqual({ chat: 0, prompt: 0, answer: 3 })
    expect(bench.texts()[1]).toBe('ab'.repeat(150))
  })

  it('gets the name that the server gives it, and what it cost', async () => {
    await open()
    bench.send('hello')
    await bench.answer(bench.question, 't1', 'hi')
    const [prompt, answer] = bench.shown()
    expect(prompt?.state).toBe('completed')
    expect(answer).toMatchObject({ id: 'msg-t1', parentId: prompt?.id, siblings: ['msg-t1'], turnId: 't1' })
    expect(answer).toMatchObject({ stopReason: 'end_turn', region: 'us-east-1', costUsd: 0.5 })
    const { totals } = bench.store.chat(bench.chatId).get()
    expect(totals).toEqual({ inputTokens: 2, outputTokens: 3, costUsd: 0.5, messages: 2 })
  })

  it('is being stopped until the server says that it has ended', async () => {
    await open()
    bench.send('hello')
    const { question } = bench
    bench.accept(question, 't1')
    bench.stream(question, textParts('t1', 'so far').slice(0, 4))
    await bench.settle()
    bench.store.stop(bench.chatId)
    expect(bench.net.last.lastSent('abort').requestId).toBe(question.requestId)
    expect(bench.shown()[1]).toMatchObject({ state: 'running', stopping: true })
    bench.stream(question, [{ type: 'text-delta', id: 'text-0', delta: ', the end' }], 4)
    bench.stream(question, [{ type: 'abort', reason: 'stopped' }], 5)
    bench.net.last.say({ type: 'end', requestId: question.requestId })
    expect(bench.shown()[1]).toMatchObject({ state: 'stopped' })
    expect(bench.shown()[1]).not.toHaveProperty('stopping')
    expect(bench.texts()[1]).toBe('so far, the end')
  })

  it('goes on after the connection was lost, and says from where', async () => {
    await open()
    bench.send('hello')
    bench.accept(bench.question, 't1')
    bench.stream(bench.question, textParts('t1', 'so far').slice(0, 4))
    bench.net.last.drop()
    expect(bench.store.resuming.get()).toEqual({ chatId: bench.chatId, position: 4 })
    expect(bench.texts()[1]).toBe('so far')
    bench.store.reconnect()
    await bench.settle()
    const resume = bench.net.last.lastSent('resume')
    bench.accept(resume, 't1')
    expect(bench.store.resuming.get()).toBeNull()
    bench.stream(resume, textParts('t1', '').slice(4), 4)
    bench.net.last.say({ type: 'end', requestId: resume.requestId })
    expect(bench.shown()[1]).toMatchObject({ state: 'completed', resumedAt: 4 })
  })

  it('can be gone on with, in words of the person', async () => {
    await open()
    bench.send('hello')
    await bench.answer(bench.question, 't1')
    bench.store.continueAnswer(bench.chatId, 'msg-t1', 'weiter')
    expect(bench.question).toMatchObject({
      body: { parentId: 'msg-t1' },
      messages: [{ parts: [{ text: 'weiter' }] }],
    })
  })
})

describe('branches', () => {
  it('begin with an edited question, beside the one that was there', async () => {
    await open()
    bench.send('one')
    await bench.answer(bench.question, 't1')
    bench.send('two')
    await bench.answer(bench.question, 't2')
    const two = bench.shown()[2]
    const edited = { text: 'two, edited', files: [] }
    expect(bench.store.editAndResend(bench.chatId, two?.id ?? '', edited)).toBe(true)
    expect(bench.store.editAndResend(bench.chatId, two?.id ?? '', edited)).toBe(false)
    expect(bench.question.body).toMatchObject({ parentId: 'msg-t1' })
    expect(bench.texts()).toEqual(['one', 'says msg-t1', 'two, edited', ''])
    expect(bench.shown()[2]?.siblings).toEqual([two?.id, bench.shown()[2]?.id])
    expect(bench.store.message(bench.chatId, two?.id ?? '').get()?.siblings).toHaveLength(2)
  })

  it('begin with the first question, too', async () => {
    await open()
    bench.send('one')
    await bench.answer(bench.question, 't1')
    const [one] = bench.shown()
    bench.store.editAndResend(bench.chatId, one?.id ?? '', { text: 'other', files: [] })
    expect(bench.question.body).not.toHaveProperty('parentId')
    expect(bench.shown()[0]?.siblings).toHaveLength(2)
  })

  it('begin with an answer that is made anew', async () => {
    await open()
    bench.send('one')
    await bench.answer(bench.question, 't1')
    const [prompt] = bench.shown()
    bench.store.regenerate(bench.chatId, 'msg-t1')
    expect(bench.question).toMatchObject({
      trigger: 'regenerate-message',
      messages: [],
      body: { parentId: prompt?.id },
    })
    await bench.answer(bench.question, 't2')
    expect(bench.shown()[1]).toMatchObject({ id: 'msg-t2', siblings: ['msg-t1', 'msg-t2'] })
    expect(bench.store.message(bench.chatId, 'msg-t1').get()?.siblings).toEqual(['msg-t1', 'msg-t2'])
  })
})

describe('temporary chats', () => {
  it('send all that was said, and are never read from the server', async () => {
    await open()
    bench.store.newChat({ temporary: true })
    bench.send('one')
    await bench.answer(bench.question, 't1')
    bench.send('two')
    expect(bench.question.body).toMatchObject({ temporary: true })
    expect(bench.question.body).not.toHaveProperty('parentId')
    expect(bench.question.messages?.map(({ role }) => role)).toEqual(['user', 'assistant', 'user'])
    await bench.answer(bench.question, 't2')
    expect(bench.page.address).toBe('/')
    expect(bench.api.asked(`GET /api/conversations/${bench.chatId}`)).toEqual([])
  })

  it('have branches all the same', async () => {
    await open()
    bench.store.newChat({ temporary: true })
    bench.send('one')
    await bench.answer(bench.question, 't1')
    bench.store.regenerate(bench.chatId, 'msg-t1')
    expect(bench.question.messages).toHaveLength(1)
    await bench.answer(bench.question, 't2')
    await bench.store.selectBranch(bench.chatId, 'msg-t1')
    expect(bench.shown()[1]?.id).toBe('msg-t1')
  })

  it('send nothing of answers that say nothing', async () => {
    await open()
    bench.store.newChat({ temporary: true })
    bench.send('one')
    bench.accept(bench.question, 't1')
    bench.stream(bench.question, [...textParts('t1', '').slice(0, 2), { type: 'abort', reason: '' }])
    bench.net.last.say({ type: 'end', requestId: bench.question.requestId })
    bench.send('two')
    expect(bench.question.messages?.map(({ role }) => role)).toEqual(['user', 'user'])
  })

  it('are all there is where the server keeps nothing', async () => {
    const api = new FakeApi()
    api.refuse('GET /api/conversations', 404, 'nothing_kept')
    await open({ api })
    expect(bench.store.server.get()?.keepsConversations).toBe(false)
    expect(bench.store.library.get()).toMatchObject({ load: 'ready', recent: [] })
    bench.send('one')
    await bench.answer(bench.question, 't1')
    bench.send('two')
    expect(bench.question.messages).toHaveLength(3)
    expect(bench.page.address).toBe('/')
  })
})

describe('columns', () => {
  it('get one question together, each a chat of its own with its own model', async () => {
    await open()
    bench.store.addColumn('anthropic')
    bench.send('hello')
    const sent = bench.net.last.sent.filter((frame) => frame.type === 'send')
    expect(sent.map((frame) => [frame.id, frame.body?.model])).toEqual([
      [bench.store.columns.get()[0], 'llama3'],
      [bench.store.columns.get()[1], 'anthropic'],
    ])
    expect(sent[0]?.headers).not.toEqual(sent[1]?.headers)
    const [first, second] = sent
    if (!first || !second) throw new Error('two were sent')
    await bench.answer(second, 't2', 'second')
    expect(bench.texts(second.id)[1]).toBe('second')
    expect(bench.texts(first.id)[1]).toBe('')
    expect(bench.send('too early')).toBe(false)
  })

  it('are four at most, and one at least', async () => {
    await open()
    for (let count = 0; count < 5; count += 1) bench.store.addColumn('anthropic')
    expect(bench.store.columns.get()).toHaveLength(4)
    for (const chatId of bench.store.columns.get()) bench.store.removeColumn(chatId)
    expect(bench.store.columns.get()).toHaveLength(1)
  })

  it('give the address to the first of them', async () => {
    await open()
    bench.store.addColumn('anthropic')
    bench.send('hello')
    const [first, second] = bench.store.columns.get()
    expect(bench.page.address).toBe(`/c/${first}`)
    bench.store.removeColumn(first ?? '')
    expect(bench.page.address).toBe(`/c/${second}`)
  })
})
