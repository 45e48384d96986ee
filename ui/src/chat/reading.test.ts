import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { branch, conversation, FakeApi, keptMessage } from '../testing/fakeApi'
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

describe('a chat that the address names', () => {
  it('is read and shown', async () => {
    bench = new StoreBench({ api, path: '/c/c1' })
    expect(bench.store.chat('c1').get().load).toBe('loading')
    await bench.settle()
    expect(bench.store.chat('c1').get()).toMatchObject({ load: 'ready', title: 'about c1', model: 'llama3' })
    expect(bench.texts()).toEqual(['says u1', 'says msg-t1'])
  })

  it('can be unknown', async () => {
    await open({ path: '/c/c2' })
    expect(bench.store.chat('c2').get().load).toBe('unknown')
  })

  it('can fail to load, and load when the connection is back', async () => {
    api.refuse(PATH, 503, 'storage', 'the disk is full')
    await open()
    expect(bench.store.chat('c1').get()).toMatchObject({ load: 'failed', loadFailure: 'the disk is full' })
    expect(bench.send('hello')).toBe(false)
    api.on(PATH, branch('c1', TWO))
    await vi.advanceTimersByTimeAsync(10_000)
    bench.net.last.drop()
    bench.store.reconnect()
    await bench.settle()
    expect(bench.store.chat('c1').get().load).toBe('ready')
  })

  it('shows why an answer failed', async () => {
    const failure = { code: 'throttled', message: 'slow down', retryable: true }
    api.on(
      PATH,
      branch('c1', [keptMessage('u1', null), keptMessage('msg-t1', 'u1', { state: 'failed', failure })]),
    )
    await open()
    expect(bench.shown()[1]).toMatchObject({ state: 'failed', failure })
  })

  it('says so when it was deleted elsewhere', async () => {
    await open()
    api.refuse(PATH, 404, 'not_found')
    bench.net.last.event('conversation-changed', { chatId: 'c1' })
    await bench.settle()
    expect(bench.store.chat('c1').get().load).toBe('unknown')
  })

  it('has the model that answered last, also when the list of models comes first', async () => {
    const body = branch('c1', TWO, { conversation: conversation('c1', { model: 'anthropic' }) })
    api.on(PATH, () => new Promise((tell) => setTimeout(() => tell({ body }), 100)))
    await open()
    expect(bench.store.models.get()[0]?.name).toBe('llama3')
    expect(bench.store.chat('c1').get().model).toBe('anthropic')
  })

  it('makes a draft of a question that was sent and not taken when the page was left', async () => {
    const page = new FakeBrowser().open('/c/c1')
    await open({ page })
    bench.send('did it arrive?')
    bench.store.close()
    await open({ page })
    expect(bench.store.draft('c1')).toBe('did it arrive?')
    expect(bench.texts()).toHaveLength(2)
  })

  it('makes no draft of a question that was taken after all', async () => {
    const page = new FakeBrowser().open('/c/c1')
    await open({ page })
    bench.send('did it arrive?')
    bench.store.close()
    const { id } = bench.shown()[2] ?? { id: '' }
    const parts = [{ type: 'text', text: 'did it arrive?' }]
    api.on(PATH, branch('c1', [...TWO, keptMessage(id, 'msg-t1', { role: 'user', parts })]))
    await open({ page })
    expect(bench.store.draft('c1')).toBe('')
  })

  it('makes a draft of the first question of a chat that never began', async () => {
    const page = new FakeBrowser().open('/')
    await open({ page })
    bench.send('did it arrive?')
    expect(page.address).toBe(`/c/${bench.chatId}`)
    bench.store.close()
    await open({ page })
    expect(bench.store.chat(bench.chatId).get().load).toBe('new')
    expect(bench.store.draft(bench.chatId)).toBe('did it arrive?')
    expect(page.address).toBe('/')
    expect(bench.send('did it arrive?')).toBe(true)
  })

  it('joins a question that was not taken with what was typed after it', async () => {
    const page = new FakeBrowser().open('/c/c1')
    await open({ page })
    bench.send('first')
    bench.store.setDraft('c1', 'second')
    bench.store.close()
    await open({ page })
    expect(bench.store.draft('c1')).toBe('first\n\nsecond')
    expect(bench.store.chat('c1').get().draftRevision).toBe(1)
    bench.store.close()
    await open({ page })
    expect(bench.store.draft('c1')).toBe('first\n\nsecond')
    expect(bench.store.chat('c1').get().draftRevision).toBe(0)
  })

  it('makes a draft of a question that was not taken though an earlier one says the same', async () => {
    const page = new FakeBrowser().open('/c/c1')
    await open({ page })
    bench.send('says u1')
    bench.store.close()
    await open({ page })
    expect(bench.store.draft('c1')).toBe('says u1')
  })

  it('joins the first question of a chat that never began with all that was typed for a new chat', async () => {
    const page = new FakeBrowser().open('/')
    await open({ page })
    bench.send('first')
    const { chatId } = bench
    bench.store.setDraft(chatId, 'second')
    bench.store.newChat()
    bench.store.setDraft(bench.chatId, 'third')
    bench.store.close()
    page.address = `/c/${chatId}`
    await open({ page })
    expect(bench.store.draft(chatId)).toBe('first\n\nsecond\n\nthird')
    expect(bench.store.chat(chatId).get()).toMatchObject({ load: 'new', draftRevision: 1 })
  })

  it('is another after the browser went back', async () => {
    await open({ path: '/' })
    bench.page.back('/c/c1')
    await bench.settle()
    expect(bench.texts()).toEqual(['says u1', 'says msg-t1'])
    bench.page.back('/')
    expect(bench.store.chat(bench.chatId).get().load).toBe('new')
  })
})

describe('what was changed elsewhere', () => {
  it('is read again, and not sent again where it is the same', async () => {
    let body = branch('c1', TWO)
    let etag = '"1"'
    api.on(PATH, ({ headers }) =>
      headers.get('if-none-match') === etag ? { status: 304 } : { body, headers: { etag } },
    )
    await open()
    const before = bench.shown()
    bench.net.last.event('conversation-changed', { chatId: 'c1' })
    await bench.settle()
    expect(api.asked(PATH).at(-1)?.headers.get('if-none-match')).toBe('"1"')
    expect(bench.shown()).toEqual(before)
    body = branch('c1', [...TWO, keptMessage('u2', 'msg-t1'), keptMessage('msg-t2', 'u2')])
    etag = '"2"'
    bench.net.last.event('conversation-changed', { chatId: 'c1' })
    await bench.settle()
    expect(bench.texts()).toHaveLength(4)
  })

  it('is only the end of the chat that is read, after an answer that was made here', async () => {
    await open()
    bench.send('more')
    await bench.answer(bench.question, 't2')
    const [, , prompt] = bench.shown()
    const promptId = prompt?.id ?? ''
    const end = keptMessage('msg-t2', promptId, { siblings: ['msg-t2', 'msg-t3'] })
    api.on(PATH, ({ query }) => ({
      body: branch('c1', query.limit === '1' ? [end] : []),
      headers: { etag: '"3"' },
    }))
    bench.net.last.event('conversation-changed', { chatId: 'c1' })
    await bench.settle()
    expect(api.asked(PATH).at(-1)?.query).toEqual({ limit: '1' })
    expect(bench.texts()).toEqual(['says u1', 'says msg-t1', 'more', 'says msg-t2'])
    expect(bench.shown()[3]?.siblings).toEqual(['msg-t2', 'msg-t3'])
  })

  it('is read whole where another went on after an answer that was made here', async () => {
    await open()
    bench.send('more')
    await bench.answer(bench.question, 't2')
    const [, , prompt] = bench.shown()
    const promptId = prompt?.id ?? ''
    const both = [keptMessage(promptId, 'msg-t1', { role: 'user' }), keptMessage('msg-t2', promptId)]
    const more = [...TWO, ...both, keptMessage('u9', 'msg-t2'), keptMessage('msg-t9', 'u9')]
    api.on(PATH, ({ query }) => ({ body: branch('c1', query.limit === '1' ? more.slice(-1) : more) }))
    bench.net.last.event('conversation-changed', { chatId: 'c1' })
    await bench.settle()
    expect(bench.texts()).toHaveLength(6)
  })

  it('leaves messages alone that say the same', async () => {
    await open()
    const [before] = bench.shown()
    let drawn = 0
    bench.store.message('c1', 'u1').subscribe(() => (drawn += 1))
    bench.net.last.event('conversation-changed', { chatId: 'c1' })
    await bench.settle()
    expect(bench.shown()[0]).toBe(before)
    expect(drawn).toBe(0)
  })

  it('does not take away what was asked meanwhile', async () => {
    await open()
    bench.net.last.event('conversation-changed', { chatId: 'c1' })
    bench.send('more')
    await bench.settle()
    expect(bench.texts()).toEqual(['says u1', 'says msg-t1', 'more', ''])
  })

  it('does not take away what was asked and answered while it was read', async () => {
    await open()
    const body = branch('c1', TWO)
    api.on(PATH, () => new Promise((tell) => setTimeout(() => tell({ body }), 1_000)))
    bench.net.last.event('conversation-changed', { chatId: 'c1' })
    bench.send('more')
    await bench.answer(bench.question, 't2')
    await vi.advanceTimersByTimeAsync(1_000)
    expect(bench.texts()).toEqual(['says u1', 'says msg-t1', 'more', 'says msg-t2'])
  })

  it('does not take a refused question out of sight', async () => {
    await open()
    bench.send('more')
    const { requestId } = bench.question
    bench.net.last.say({ type: 'error', requestId, errorText: 'no', code: 'rate_limited', retryable: true })
    bench.net.last.event('conversation-changed', { chatId: 'c1' })
    await bench.settle()
    expect(bench.texts()).toEqual(['says u1', 'says msg-t1', 'more', ''])
  })
})

describe('long and branched chats', () => {
  it('are read backwards, a page at a time', async () => {
    const last = [keptMessage('u2', 'msg-t1'), keptMessage('msg-t2', 'u2')]
    api.on(PATH, ({ query }) => ({
      body: query.before === 'u2' ? branch('c1', TWO) : branch('c1', last, { hasMore: true }),
    }))
    await open()
    expect(bench.texts()).toHaveLength(2)
    await bench.store.loadOlder('c1')
    expect(api.asked(PATH).at(-1)?.query).toEqual({ before: 'u2', leaf: 'msg-t2' })
    expect(bench.texts()).toEqual(['says u1', 'says msg-t1', 'says u2', 'says msg-t2'])
    expect(bench.store.chat('c1').get().hasMore).toBe(false)
    bench.net.last.event('conversation-changed', { chatId: 'c1' })
    await bench.settle()
    expect(bench.texts()).toHaveLength(4)
    expect(bench.store.chat('c1').get().hasMore).toBe(false)
  })

  it('show the branch through a message, to its newest end, and let the server remember that', async () => {
    const siblings = ['u1', 'u1b']
    const here = [keptMessage('u1', null, { siblings }), keptMessage('msg-t1', 'u1')]
    const there = [keptMessage('u1b', null, { siblings }), keptMessage('msg-t9', 'u1b')]
    api.on(PATH, ({ query }) => ({ body: branch('c1', query.through === 'u1b' ? there : here) }))
    api.on('PATCH /api/conversations/c1', branch('c1', []).conversation)
    await open()
    await bench.store.selectBranch('c1', 'u1b')
    expect(bench.texts()).toEqual(['says u1b', 'says msg-t9'])
    expect(api.asked('PATCH /api/conversations/c1')[0]?.body).toEqual({ leafId: 'msg-t9' })
  })

  it('lose nothing of an answer that streams in while another branch is shown', async () => {
    await open()
    bench.send('more')
    bench.accept(bench.question, 't2')
    bench.stream(bench.question, textParts('t2', 'so far').slice(0, 4))
    await bench.settle()
    const [, , prompt] = bench.shown()
    const running = keptMessage('msg-t2', prompt?.id ?? '', { state: 'running', metadata: { model: 'old' } })
    const path = [...TWO, keptMessage(prompt?.id ?? '', 'msg-t1', { role: 'user' }), running]
    api.on(PATH, branch('c1', path))
    api.on('PATCH /api/conversations/c1', conversation('c1'))
    await bench.store.selectBranch('c1', 'msg-t1')
    expect(bench.texts()[3]).toBe('so far')
    expect(bench.shown()[3]).toMatchObject({ state: 'running', model: 'llama3' })
    bench.stream(bench.question, textParts('t2', '').slice(4), 4)
    await bench.settle()
    expect(bench.shown()[3]?.state).toBe('completed')
  })

  it('are opened at a message that was found', async () => {
    await open({ path: '/' })
    bench.store.openChat('c1', { leafId: 'u1' })
    await bench.settle()
    expect(api.asked(PATH)[0]?.query).toEqual({ through: 'u1' })
    expect(bench.page.address).toBe('/c/c1')
  })

  it('say it when another branch can not be read', async () => {
    await open()
    api.refuse(PATH, 503, 'storage', 'the disk is full')
    await bench.store.selectBranch('c1', 'u1')
    expect(bench.store.notice.get()).toBe('the disk is full')
    bench.store.dismissNotice()
    expect(bench.store.notice.get()).toBeNull()
  })
})
