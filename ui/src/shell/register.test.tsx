import { afterEach, beforeEach, expect, it, vi } from 'vitest'

type Rules = { createScriptURL(url: string): string }

const container = Object.assign(new EventTarget(), {
  controller: null as object | null,
  register: vi.fn(async () => undefined),
})

async function start(onNewVersion?: () => void): Promise<void> {
  vi.resetModules()
  const { registerShell } = await import('./register')
  registerShell(onNewVersion)
}

beforeEach(() => {
  vi.stubEnv('PROD', true)
  vi.stubGlobal('navigator', { serviceWorker: container })
  container.controller = null
  container.register.mockClear()
})

afterEach(() => {
  vi.unstubAllEnvs()
  vi.unstubAllGlobals()
  document.head.replaceChildren()
})

it('registers the one worker, and lets the browser check it each time', async () => {
  await start()
  expect(container.register.mock.calls).toEqual([['/sw.js', { updateViaCache: 'none' }]])
})

it('asks for the one trusted address that the policy lets pass', async () => {
  let rules: Rules | undefined
  const createPolicy = vi.fn((_name: string, given: Rules) => {
    rules = given
    return { createScriptURL: (url: string) => `trusted ${given.createScriptURL(url)}` }
  })
  vi.stubGlobal('trustedTypes', { createPolicy })
  await start()
  expect(createPolicy.mock.calls[0]?.[0]).toBe('outcrop-shell')
  expect(container.register.mock.calls[0]).toEqual(['trusted /sw.js', { updateViaCache: 'none' }])
  for (const url of ['/other.js', '/sw.js?x', 'https://evil.example/sw.js', '']) {
    expect(() => rules?.createScriptURL(url)).toThrow('not our worker')
  }
})

it('does nothing while developing, nor where the browser has no service workers', async () => {
  vi.stubEnv('PROD', false)
  await start()
  vi.stubEnv('PROD', true)
  vi.stubGlobal('navigator', {})
  await start()
  expect(container.register).not.toHaveBeenCalled()
})

it('tells of a new version when another worker takes over, and not of the first one', async () => {
  const told = vi.fn()
  await start(told)
  container.dispatchEvent(new Event('controllerchange'))
  expect(told).not.toHaveBeenCalled()
  const toldAnew = vi.fn()
  container.controller = {}
  await start(toldAnew)
  container.dispatchEvent(new Event('controllerchange'))
  expect(toldAnew).toHaveBeenCalledOnce()
})

it('tells of a new version in the tab of the first visit, too', async () => {
  const told = vi.fn()
  await start(told)
  container.dispatchEvent(new Event('controllerchange'))
  expect(told).not.toHaveBeenCalled()
  container.dispatchEvent(new Event('controllerchange'))
  expect(told).toHaveBeenCalledOnce()
})

async function failToLoad(page: () => Promise<Response>): Promise<boolean> {
  const script = document.createElement('script')
  script.type = 'module'
  // jsdom loads nothing.
  script.setAttribute('src', '/assets/index-A.js')
  document.head.append(script)
  const asked = vi.fn(page)
  vi.stubGlobal('fetch', asked)
  const told = vi.fn()
  await start(told)
  window.dispatchEvent(new Event('vite:preloadError'))
  await vi.waitFor(() => expect(asked).toHaveBeenCalled())
  await new Promise((resolve) => setTimeout(resolve))
  return told.mock.calls.length > 0
}

it('tells of a new version when a part is gone and the server has another page', async () => {
  expect(await failToLoad(async () => new Response('<script src="/assets/index-B.js">'))).toBe(true)
})

it('keeps silent when a part is missing for another reason', async () => {
  expect(await failToLoad(async () => new Response('<script src="/assets/index-A.js">'))).toBe(false)
  expect(await failToLoad(async () => Promise.reject(new TypeError('no network')))).toBe(false)
  expect(await failToLoad(async () => new Response('', { status: 503 }))).toBe(false)
})
