/**
 * A page for tests of the store: an address bar, shelves and tabs in memory.
 */
import type { Page, Shelf, TabMessage } from '../chat/page'

/** Tabs of one browser: what one tells, all others hear. */
export class FakeBrowser {
  readonly local = makeShelf()
  readonly tabs: FakePage[] = []

  /** Opens another tab at a path. */
  open(path = '/'): FakePage {
    const tab = new FakePage(this, path)
    this.tabs.push(tab)
    return tab
  }
}

/** One tab. `frames` runs what waits for the next frame; by itself it runs at once, one frame for each turn of the loop. */
export class FakePage implements Page {
  readonly local: Shelf
  readonly session = makeShelf()
  readonly told: TabMessage[] = []
  address: string
  readonly #browser: FakeBrowser
  #onTold: (message: TabMessage) => void = () => {}
  #onBack: () => void = () => {}

  constructor(browser: FakeBrowser, path: string) {
    this.#browser = browser
    this.local = browser.local
    this.address = path
  }

  path(): string {
    return this.address
  }

  go(path: string): void {
    this.address = path
  }

  onBack(then: () => void): void {
    this.#onBack = then
  }

  /** Does what the browser's back button does. */
  back(path: string): void {
    this.address = path
    this.#onBack()
  }

  tell(message: TabMessage): void {
    this.told.push(message)
    for (const tab of this.#browser.tabs) {
      if (tab !== this) tab.#onTold(message)
    }
  }

  onTold(then: (message: TabMessage) => void): void {
    this.#onTold = then
  }

  beforeFrame(then: () => void): void {
    setTimeout(then, 16)
  }
}

function makeShelf(): Shelf {
  const kept = new Map<string, string>()
  return {
    read: (name) => kept.get(name) ?? null,
    write: (name, text) => {
      if (text === null) kept.delete(name)
      else kept.set(name, text)
    },
  }
}
