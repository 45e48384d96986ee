/**
 * The states of the page that are worth looking at.
 */
import { CHAT_ID, FakeStore } from './fakeStore'
import { makeAnswer, makeLibrary, makeLine, makePrompt, makeServer, makeText } from './samples'

const LONG = `## Why streams are resumed

A stream has **positions**. Who loses the connection names the last one, and the server goes on *after* it:

1. the page keeps the last \`sequence\`,
2. it connects again, with a growing delay,
3. nothing is said twice, and nothing is left out.

\`\`\`ts
const next = await link.resume({ turnId, lastSequence })
\`\`\`

| what | before | after |
|---|---:|---:|
| lost words | 12 | 0 |
| repeated words | 7 | 0 |
`

/** Each scene fills a fresh store. */
export const SCENES: Readonly<Record<string, (store: FakeStore) => void>> = {
  empty(store) {
    store.server.set(makeServer({ upstream: 'emulator' }))
  },
  talk(store) {
    store.library.set(fullLibrary())
    store.chat(CHAT_ID).patch({
      title: 'Resuming streams',
      totals: { inputTokens: 15_200, outputTokens: 4100, costUsd: 0.107, messages: 4 },
      hasMore: true,
    })
    store.show([
      makePrompt('p1', 'How does the page go on when the connection was lost?', { siblings: ['p0', 'p1'] }),
      makeAnswer('a1', LONG, {
        pieces: [
          { kind: 'reasoning', key: 'r', text: 'They ask about positions.', open: false, redacted: false },
          {
            kind: 'tool',
            key: 'c',
            name: 'search',
            callId: '1',
            input: '{"q":"resume"}',
            output: '3 pages',
            state: 'answered',
          },
          makeText(LONG),
          { kind: 'source', key: 's', title: 'The protocol', url: 'https://example.org/protocol' },
        ],
        siblings: ['a0', 'a1', 'a2'],
        resumedAt: 214,
      }),
      makePrompt('p2', 'And if the server dies?'),
      makeAnswer('a2', 'Then another one', {
        state: 'running',
        pieces: [makeText('Then another one goes **on', true)],
      }),
    ])
  },
  endings(store) {
    const failure = {
      code: 'throttled',
      message: 'the quota of this AWS account is used up for the moment',
      retryable: true,
      retryAfterMs: 30_000,
      awsRequestId: '0f5c3d1a-2b7e-4a57-9f3f',
    }
    store.chat(CHAT_ID).patch({ title: 'Endings', temporary: true })
    store.show([
      makePrompt('p1', 'One'),
      makeAnswer('a1', 'It began', { state: 'stopped' }),
      makePrompt('p2', 'Two'),
      makeAnswer('a2', 'It began', { state: 'interrupted' }),
      makePrompt('p3', 'Three'),
      makeAnswer('a3', '', { state: 'failed', failure }),
      makePrompt('p4', 'Four'),
      makeAnswer('a4', '', { state: 'queued', queue: { position: 3, etaMs: 4000 } }),
    ])
    store.connection.set({ phase: 'waiting', retryAt: Date.now() + 9000, reason: 'unreachable' })
    store.notice.set('the export failed: the server can’t be reached')
  },
  columns(store) {
    store.columns.set([CHAT_ID, 'c2'])
    store.chat('c2').patch({ model: 'llama' })
    for (const id of [CHAT_ID, 'c2']) {
      store.show(
        [
          makePrompt('p1', 'Compare yourselves'),
          makeAnswer('a1', id === 'c2' ? 'I am the shorter one.' : LONG),
        ],
        id,
      )
    }
  },
  key(store) {
    store.connection.set({ phase: 'refused', code: 'key_required', reason: 'the key is not known' })
  },
  search(store) {
    store.library.set({
      ...fullLibrary(),
      undo: makeLine('x', 'An old plan'),
      search: {
        text: 'stream',
        load: 'ready',
        hasMore: true,
        found: [
          {
            conversation: makeLine('c1', 'Resuming streams'),
            messageId: 'a1',
            snippet: 'A stream has positions. Who loses the connection …',
            marks: [{ start: 2, end: 8 }],
          },
        ],
      },
    })
  },
}

function fullLibrary() {
  return makeLibrary({
    pinned: [makeLine('c9', 'The plan for the release', 3, 1)],
    recent: [
      makeLine(CHAT_ID, 'Resuming streams'),
      makeLine('c3', 'A title that is much too long to be shown in one line of the side bar'),
      makeLine('c4', 'Rivers of Iceland', 1),
      makeLine('c5', 'Tax form', 20),
    ],
    hasMore: true,
  })
}

/** Makes a store that shows a scene; the empty one where there is none of this name. */
export function makeScene(name: string): FakeStore {
  const store = new FakeStore()
  SCENES[name]?.(store)
  return store
}
