import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { FakeBrowser } from '../testing/fakePage'
import { StoreBench } from '../testing/storeBench'

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

describe('what is remembered', () => {
  it('is the text that was typed and not sent, also of a chat that has not begun', async () => {
    const browser = new FakeBrowser()
    const page = browser.open()
    await open({ page })
    bench.store.setDraft(bench.chatId, 'half a sent')
    bench.store.close()
    await open({ page })
    expect(bench.store.draft(bench.chatId)).toBe('half a sent')
    bench.send('half a sentence')
    expect(bench.store.draft(bench.chatId)).toBe('')
    bench.store.setDraft(bench.chatId, 'next')
    bench.store.newChat()
    expect(bench.store.draft(bench.chatId)).toBe('')
  })

  it('is the model of each chat, and the last one for new chats', async () => {
    const browser = new FakeBrowser()
    await open({ browser })
    bench.store.setModel(bench.chatId, 'anthropic')
    const { chatId } = bench
    bench.store.close()
    await open({ browser, path: `/c/${chatId}` })
    expect(bench.store.chat(chatId).get().model).toBe('anthropic')
    bench.store.newChat()
    expect(bench.store.chat(bench.chatId).get().model).toBe('anthropic')
  })

  it('is how to answer', async () => {
    const browser = new FakeBrowser()
    await open({ browser })
    expect(bench.store.params.get()).toEqual({ stream: true })
    bench.store.setParams({ stream: false, temperature: 0.5 })
    bench.store.close()
    await open({ browser })
    expect(bench.store.params.get()).toEqual({ stream: false, temperature: 0.5 })
    bench.send('hello')
    expect(bench.question.body).toMatchObject({ stream: false, temperature: 0.5 })
  })

  it('is the key, in this tab alone, for the socket and the API', async () => {
    const browser = new FakeBrowser()
    await open({ browser })
    bench.net.last.drop(4401, 'a key is needed')
    expect(bench.store.connection.get()).toMatchObject({ phase: 'refused', code: 'key_required' })
    bench.store.enterKey(' outcrop_abc ')
    await bench.settle()
    expect(bench.net.last.protocols).toContain('outcrop.key.outcrop_abc')
    expect(bench.api.calls.at(-1)?.headers.get('authorization')).toBe('Bearer outcrop_abc')
    bench.store.close()
    await open({ browser })
    expect(bench.net.last.protocols).toEqual(['outcrop'])
  })
})
