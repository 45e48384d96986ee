import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

const ORIGIN = 'https://chat.example.org'
const SHELL = { version: 'two', files: ['/', '/assets/index-A.js', '/icon.svg'] }

type Listener = (event: Record<string, unknown>) => void

/** The browser's caches, as far as the worker uses them. */
class Kept {
  readonly all = new Map<string, Map<string, Response>>()

  open = async (name: string) => {
    const entries = this.all.get(name) ?? new Map<string, Response>()
    this.all.set(name, entries)
    return {
      addAll: async (requests: Request[]) => {
        const answers = await Promise.all(requests.map(async (one) => [one.url, await fetch(one)] as const))
        if (answers.some(([, answer]) => !answer.ok)) throw new TypeError('a file is missing')
        for (const [url, answer] of answers) entries.set(url, answer)
      },
      put: async (url: string, answer: Response) => {
        entries.set(url, answer)
      },
    }
  }

  keys = async () => [...this.all.keys()]
  delete = async (name: string) => this.all.delete(name)
  match = async (url: string, options: { cacheName: string }) =>
    this.all.get(options.cacheName)?.get(url)?.clone()
}

let listeners: Map<string, Listener>
let kept: Kept
let network: ReturnType<typeof vi.fn<(request: { url: string }) => Promise<Response>>>
const skipWaiting = vi.fn(async () => undefined)
const claim = vi.fn(async () => undefined)

async function finish(kind: 'install' | 'activate'): Promise<unknown> {
  let work: unknown
  listeners.get(kind)?.({ waitUntil: (promise: unknown) => (work = promise) })
  return await work
}

/** The worker's answer; null where it leaves the request alone. */
async function ask(path: string, mode = 'cors'): Promise<Response | null> {
  let answer: Promise<Response> | null = null
  const request = { url: `${ORIGIN}${path}`, method: 'GET', mode }
  listeners.get('fetch')?.({ request, respondWith: (promise: Promise<Response>) => (answer = promise) })
  return await (answer as Promise<Response> | null)
}

async function textOf(answer: Response | null): Promise<string | undefined> {
  return await answer?.text()
}

beforeEach(async () => {
  vi.resetModules()
  listeners = new Map()
  kept = new Kept()
  network = vi.fn(async (request) => new Response(`network ${new URL(request.url).pathname}`))
  vi.stubGlobal('__OUTCROP_SHELL__', SHELL)
  vi.stubGlobal('location', { origin: ORIGIN })
  vi.stubGlobal('clients', { claim })
  vi.stubGlobal('skipWaiting', skipWaiting)
  vi.stubGlobal('addEventListener', (kind: string, listener: Listener) => listeners.set(kind, listener))
  vi.stubGlobal('caches', kept)
  vi.stubGlobal('fetch', network)
  await import('./worker')
})

afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

describe('when it is installed', () => {
  it('keeps the shell of its build, past the browser’s own cache', async () => {
    await finish('install')
    expect([...(kept.all.get('outcrop-two')?.keys() ?? [])]).toEqual(
      SHELL.files.map((path) => `${ORIGIN}${path}`),
    )
    expect(network.mock.calls.map(([request]) => (request as Request).cache)).toEqual([
      'no-cache',
      'no-cache',
      'no-cache',
    ])
    expect(skipWaiting).toHaveBeenCalled()
  })

  it('is not installed with a part of the shell', async () => {
    network.mockImplementation(
      async ({ url }) => new Response('', { status: url.endsWith('.svg') ? 404 : 200 }),
    )
    await expect(finish('install')).rejects.toThrow()
  })

  it('forgets the builds before it, and takes over the open tabs', async () => {
    await kept.open('outcrop-one')
    await finish('install')
    await finish('activate')
    expect(await kept.keys()).toEqual(['outcrop-two'])
    expect(claim).toHaveBeenCalled()
  })
})

describe('a visit', () => {
  beforeEach(async () => {
    await finish('install')
  })

  it('gets the page that the server has now', async () => {
    network.mockImplementation(async () => new Response('newer'))
    expect(await textOf(await ask('/', 'navigate'))).toBe('newer')
  })

  it('gets the kept page where there is no network, at a chat’s address too', async () => {
    network.mockRejectedValue(new TypeError('no network'))
    expect(await textOf(await ask('/', 'navigate'))).toBe('network /')
    expect(await textOf(await ask('/c/0198c3', 'navigate'))).toBe('network /')
  })

  it('gets the kept page after three seconds without an answer', async () => {
    vi.useFakeTimers()
    network.mockReturnValue(new Promise(() => undefined))
    const answer = ask('/', 'navigate')
    const told = vi.fn()
    answer.then(told)
    await vi.advanceTimersByTimeAsync(2_900)
    expect(told).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(200)
    expect(await textOf(await answer)).toBe('network /')
  })

  it.each([500, 502, 503, 504])('gets the kept page where a proxy says %i', async (status) => {
    network.mockResolvedValue(new Response('bad gateway', { status }))
    expect(await textOf(await ask('/', 'navigate'))).toBe('network /')
  })

  it.each([401, 403, 404])('gets the server’s own refusal (%i)', async (status) => {
    network.mockResolvedValue(new Response('refused', { status }))
    expect((await ask('/', 'navigate'))?.status).toBe(status)
  })

  it('waits for the network as long as it takes where nothing is kept', async () => {
    kept.all.clear()
    network.mockRejectedValue(new TypeError('no network'))
    await expect(ask('/', 'navigate')).rejects.toThrow('no network')
  })
})

describe('a file', () => {
  it('comes from the cache once it is there', async () => {
    await finish('install')
    network.mockRejectedValue(new TypeError('no network'))
    expect(await textOf(await ask('/assets/index-A.js'))).toBe('network /assets/index-A.js')
  })

  it('is kept when it was used', async () => {
    await ask('/assets/katex-B.js')
    network.mockRejectedValue(new TypeError('no network'))
    expect(await textOf(await ask('/assets/katex-B.js'))).toBe('network /assets/katex-B.js')
  })

  it('is not kept when the server has none', async () => {
    network.mockResolvedValueOnce(new Response('gone', { status: 404 }))
    expect((await ask('/assets/katex-B.js'))?.status).toBe(404)
    expect(kept.all.size).toBe(0)
  })
})

it('leaves the gateway’s answers alone', async () => {
  await finish('install')
  for (const path of ['/api/models', '/v1/models', '/healthz', '/model/x/converse']) {
    expect(await ask(path)).toBeNull()
    expect(await ask(path, 'navigate')).toBeNull()
  }
})
