/**
 * Registers the service worker, and notices that the server has another build of the page than this tab.
 */

const WORKER = '/sw.js'

interface ScriptPolicy {
  createScriptURL(url: string): string
}

/** The part of the browser that is used here. */
interface TypedWindow {
  trustedTypes?: { createPolicy(name: string, rules: ScriptPolicy): ScriptPolicy }
}

/**
 * Lets the page open without a network, from the next visit on. Call it once, after the page is drawn.
 *
 * `onNewVersion` is called, perhaps more than once, when the server has a newer page than this tab: offer to load it
 * anew. Does nothing where the browser has no service workers (plain HTTP other than localhost) and while developing.
 */
export function registerShell(onNewVersion: () => void = () => undefined): void {
  if (!import.meta.env.PROD) return
  watchLaterParts(onNewVersion)
  if (!('serviceWorker' in navigator)) return
  let hadOne = navigator.serviceWorker.controller !== null
  navigator.serviceWorker.addEventListener('controllerchange', () => {
    if (hadOne) onNewVersion()
    hadOne = true
  })
  const register = () => {
    // Without it the page only needs the network again; there is nothing to tell the person.
    navigator.serviceWorker.register(trust(WORKER), { updateViaCache: 'none' }).catch(() => undefined)
  }
  if (document.readyState === 'complete') register()
  else window.addEventListener('load', register, { once: true })
}

/** Registering a worker takes a trusted URL: the policy of this name lets our one worker pass, and nothing else. */
function trust(path: string): string {
  const { trustedTypes } = window as TypedWindow
  if (trustedTypes === undefined) return path
  const policy = trustedTypes.createPolicy('outcrop-shell', {
    createScriptURL(url) {
      if (url !== WORKER) throw new TypeError(`not our worker: ${url}`)
      return url
    },
  })
  return policy.createScriptURL(path)
}

/**
 * A part of the page that is loaded later (diagrams, formulas) is gone from the server after a deploy: then the page
 * that the server gives names another entry than the one that runs here.
 */
function watchLaterParts(onNewVersion: () => void): void {
  window.addEventListener('vite:preloadError', () => {
    isOutdated().then(
      (outdated) => outdated && onNewVersion(),
      () => undefined,
    )
  })
}

async function isOutdated(): Promise<boolean> {
  const entry = document.querySelector('script[type="module"][src]')?.getAttribute('src')
  const answer = await fetch('/', { cache: 'no-cache' })
  return answer.ok && typeof entry === 'string' && !(await answer.text()).includes(`"${entry}"`)
}
