import { afterEach, describe, expect, it, vi } from 'vitest'
import { ApiFailure, Http } from './http'

function httpWith(
  answer: () => Promise<Response>,
  key: string | null = null,
): { http: Http; asked: RequestInit[] } {
  const asked: RequestInit[] = []
  const http = new Http({
    baseUrl: 'http://gateway.test/c/1',
    key: () => key,
    fetch: (_, init) => {
      asked.push(init ?? {})
      return answer()
    },
  })
  return { http, asked }
}

async function failureOf(work: Promise<unknown>): Promise<ApiFailure> {
  const failure = await work.catch((error: unknown) => error)
  if (!(failure instanceof ApiFailure)) throw new Error('it did not fail')
  return failure
}

it('says in one sentence what the server said', async () => {
  const error = { code: 'not_found', message: 'there is no conversation' }
  const { http } = httpWith(async () => Response.json({ error }, { status: 404 }))
  expect(await failureOf(http.ask('/x'))).toMatchObject({ ...error, status: 404 })
})

it.each([
  ['nobody answers', () => Promise.reject(new TypeError('failed to fetch'))],
  ['something else answers with an error', () => Promise.resolve(new Response('<p>no', { status: 502 }))],
  ['something else answers', () => Promise.resolve(new Response('<p>log in here'))],
])('says that the server was not reached when %s', async (_, answer) => {
  const { http } = httpWith(answer)
  expect((await failureOf(http.json('/x'))).code).toBe('unreachable')
})

it('sends the key, the copy that it has, and JSON', async () => {
  const { http, asked } = httpWith(async () => new Response(null, { status: 304 }), 'k')
  const answer = await http.ask('/x', { method: 'PATCH', body: { a: 1 }, etag: '"1"' })
  expect(answer.status).toBe(304)
  expect(asked[0]).toMatchObject({
    method: 'PATCH',
    body: '{"a":1}',
    headers: { authorization: 'Bearer k', 'if-none-match': '"1"', 'content-type': 'application/json' },
  })
})

it('says that a connection was lost where the body of an answer broke off', async () => {
  const body = new ReadableStream({ start: (to) => to.error(new TypeError('network error')) })
  const { http } = httpWith(async () => new Response(body))
  const failure = await failureOf(http.json('/x'))
  expect(failure.message).not.toBe('the answer is not from this server')
  expect(failure.code).toBe('unreachable')
})

describe('an answer that takes long', () => {
  afterEach(() => {
    vi.useRealTimers()
  })

  it('is read to its end as long as something of it comes', async () => {
    vi.useFakeTimers()
    const pieces = ['{"a":', '"', 'long', ' ', 'text"}'].map((piece) => new TextEncoder().encode(piece))
    const { http } = slowHttp(pieces, 20_000)
    const read = http.json('/x')
    await vi.advanceTimersByTimeAsync(130_000)
    expect(await read).toEqual({ a: 'long text' })
  })

  it.each([
    ['nothing of it comes', []],
    ['it falls silent', [new TextEncoder().encode('{')]],
  ])('is given up when %s', async (_, pieces) => {
    vi.useFakeTimers()
    const { http } = slowHttp(pieces, 20_000, 'silent')
    const failure = failureOf(http.json('/x'))
    await vi.advanceTimersByTimeAsync(60_000)
    expect(await failure).toMatchObject({ code: 'unreachable', message: 'the server could not be reached' })
  })
})

/** Gives the headers after a second, then a piece after each pause; it ends, or falls silent. */
function slowHttp(
  pieces: readonly Uint8Array[],
  pauseMs: number,
  then: 'end' | 'silent' = 'end',
): { http: Http } {
  const left = [...pieces]
  const pull = (to: ReadableStreamDefaultController<Uint8Array>) =>
    new Promise<void>((done) => {
      setTimeout(() => {
        const piece = left.shift()
        if (piece) to.enqueue(piece)
        else if (then === 'end') to.close()
        if (piece || then === 'end') done()
      }, pauseMs)
    })
  const http = new Http({
    baseUrl: 'http://gateway.test/',
    key: () => null,
    fetch: async (_, init) => {
      let give: ReadableStreamDefaultController<Uint8Array> | undefined
      const start = (to: ReadableStreamDefaultController<Uint8Array>) => {
        give = to
      }
      init?.signal?.addEventListener('abort', () => give?.error(init.signal?.reason))
      await new Promise((tell) => setTimeout(tell, 1_000))
      return new Response(new ReadableStream({ start, pull }))
    },
  })
  return { http }
}
