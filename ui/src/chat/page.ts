/**
 * What the store needs of the page that it is in: the address, small storage, other tabs, and frames to draw.
 * Tests put another in its place; nothing else in `chat/` touches the browser.
 */

/** A small store of texts that outlives the page. It never throws: a browser may forbid or fill it. */
export interface Shelf {
  read(name: string): string | null
  write(name: string, text: string | null): void
}

/** What tabs of this page tell each other. */
export interface TabMessage {
  kind: 'began' | 'changed'
  chatId: string
}

/** The page, as the store sees it. */
export interface Page {
  /** The path of the address. */
  path(): string
  go(path: string, how: 'push' | 'replace'): void
  onBack(then: () => void): void
  /** Kept for this person, in all tabs. */
  local: Shelf
  /** Kept for this tab. */
  session: Shelf
  tell(message: TabMessage): void
  onTold(then: (message: TabMessage) => void): void
  /** Calls back before the next frame is drawn; in a tab that is not seen, after a moment. */
  beforeFrame(then: () => void): void
}

const HIDDEN_MS = 250
const CHANNEL = 'outcrop'

function shelfOn(find: () => Storage): Shelf {
  return {
    read(name) {
      try {
        return find().getItem(name)
      } catch {
        return null
      }
    },
    write(name, text) {
      try {
        if (text === null) find().removeItem(name)
        else find().setItem(name, text)
      } catch {
        // It is full, or forbidden: then it is not remembered.
      }
    },
  }
}

function beforeFrame(then: () => void): void {
  if (document.visibilityState === 'visible') requestAnimationFrame(then)
  else setTimeout(then, HIDDEN_MS)
}

/** Opens the way to other tabs; a browser that may store nothing forbids it. */
function openChannel(): BroadcastChannel | null {
  try {
    return new BroadcastChannel(CHANNEL)
  } catch {
    return null
  }
}

/** Gives the page of this browser. */
export function browserPage(): Page {
  const channel = openChannel()
  return {
    path: () => location.pathname,
    go(path, how) {
      if (how === 'push') history.pushState(null, '', path)
      else history.replaceState(null, '', path)
    },
    onBack: (then) => window.addEventListener('popstate', then),
    local: shelfOn(() => localStorage),
    session: shelfOn(() => sessionStorage),
    tell: (message) => channel?.postMessage(message),
    onTold(then) {
      channel?.addEventListener('message', ({ data }) => then(data as TabMessage))
    },
    beforeFrame,
  }
}
