/**
 * The service worker: keeps the page's shell, so that the page opens without a network and says so itself.
 *
 * The network is asked first for the page, so that nobody sees an old one after a deploy. Files with a hash in their
 * name never change and come from the cache. Requests to the gateway are never touched.
 */
import { chooseWay } from './rules'

interface Extendable extends Event {
  waitUntil(work: Promise<unknown>): void
}

interface Fetching extends Extendable {
  readonly request: Request
  respondWith(answer: Promise<Response>): void
}

interface Scope {
  readonly location: Location
  readonly clients: { claim(): Promise<void> }
  skipWaiting(): Promise<void>
  addEventListener(kind: 'install' | 'activate', listener: (event: Extendable) => void): void
  addEventListener(kind: 'fetch', listener: (event: Fetching) => void): void
}

interface Shell {
  version: string
  files: string[]
}

const NETWORK_MS = 3_000

// The build writes the list in its place: see `plugin.ts`.
declare const __OUTCROP_SHELL__: Shell

const scope = globalThis as unknown as Scope
const shell = __OUTCROP_SHELL__
const files = new Set(shell.files)
const cacheName = `outcrop-${shell.version}`

scope.addEventListener('install', (event) => {
  event.waitUntil(install())
})

scope.addEventListener('activate', (event) => {
  event.waitUntil(activate())
})

scope.addEventListener('fetch', (event) => {
  const way = chooseWay(event.request, scope.location.origin, files)
  switch (way) {
    case 'page':
      event.respondWith(answerPage(event.request))
      return
    case 'file':
      event.respondWith(answerFile(event.request))
      return
    case 'network':
      return
    default:
      way satisfies never
  }
})

async function install(): Promise<void> {
  const cache = await caches.open(cacheName)
  // Past the browser's own cache: what is kept together must be of one build.
  const origin = scope.location.origin
  await cache.addAll(shell.files.map((path) => new Request(new URL(path, origin), { cache: 'no-cache' })))
  await scope.skipWaiting()
}

async function activate(): Promise<void> {
  const names = await caches.keys()
  await Promise.all(names.filter((name) => name !== cacheName).map((name) => caches.delete(name)))
  await scope.clients.claim()
}

async function answerPage(request: Request): Promise<Response> {
  const kept = await caches.match(`${scope.location.origin}/`, { cacheName })
  const asked = fetch(request)
  if (kept === undefined) return asked
  const timeUp = new Promise<null>((resolve) => {
    setTimeout(() => resolve(null), NETWORK_MS)
  })
  const answer = await Promise.race([asked.catch(() => null), timeUp])
  // A proxy says 502 or 504 while the gateway starts anew: the page can wait for it better than an error page.
  return answer === null || answer.status >= 500 ? kept : answer
}

async function answerFile(request: Request): Promise<Response> {
  const kept = await caches.match(request.url, { cacheName })
  if (kept !== undefined) return kept
  const answer = await fetch(request)
  if (answer.status === 200) {
    const cache = await caches.open(cacheName)
    // A full disk must not cost the file.
    await cache.put(request.url, answer.clone()).catch(() => undefined)
  }
  return answer
}
