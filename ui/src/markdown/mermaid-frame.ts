/**
 * The script of mermaid.html, a page in a sandboxed frame that draws one diagram.
 *
 * Mermaid writes its own styles and markup into the document, which the page's policy forbids. Here it may: this
 * document has an origin of its own (`sandbox allow-scripts`), no way to the network, to the page, to storage or to
 * another address, and says nothing but the size of what it drew.
 */
import mermaid from 'mermaid'
import { type DrawRequest, type FrameMessage, readDrawRequest } from './mermaidMessages'

const MAX_CHARACTERS = 20_000
const MAX_EDGES = 300

function say(message: FrameMessage): void {
  // The address of a sandboxed document is still that of its server, which is the page's.
  window.parent.postMessage(message, new URL(window.location.href).origin)
}

async function draw({ source, isDark }: DrawRequest): Promise<void> {
  mermaid.initialize({
    startOnLoad: false,
    securityLevel: 'strict',
    maxTextSize: MAX_CHARACTERS,
    maxEdges: MAX_EDGES,
    theme: isDark ? 'dark' : 'default',
    suppressErrorRendering: true,
    secure: [
      'secure',
      'securityLevel',
      'startOnLoad',
      'maxTextSize',
      'maxEdges',
      'suppressErrorRendering',
      'themeCSS',
      'fontFamily',
    ],
  })
  const target = document.getElementById('diagram')
  if (!target) return
  const { svg } = await mermaid.render('drawing', source)
  target.innerHTML = svg
  removeLinks(target)
  // Now, and whenever the page's width changes the height.
  new ResizeObserver(() => {
    const { width, height } = target.getBoundingClientRect()
    say({ kind: 'drawn', width: Math.ceil(width), height: Math.ceil(height) })
  }).observe(target)
}

/** The page's policy lets the frame go nowhere else: a link would put an error in the place of the diagram. */
function removeLinks(target: Element): void {
  for (const link of target.querySelectorAll('a')) {
    for (const name of ['href', 'xlink:href', 'target']) link.removeAttribute(name)
  }
}

window.addEventListener('message', (event) => {
  if (event.source !== window.parent || event.origin !== new URL(window.location.href).origin) return
  const request = readDrawRequest(event.data)
  if (request) draw(request).catch(() => say({ kind: 'failed' }))
})

say({ kind: 'ready' })
