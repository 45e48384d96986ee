import { expect, it } from 'vitest'
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
