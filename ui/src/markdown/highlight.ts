/**
 * Colours for code, loaded with the first code that has a language. highlight.js builds a tree of scopes; we take it
 * as values and never as HTML.
 */
import type { HLJSApi } from 'highlight.js'
import { makeLazy } from './lazy'

/** A piece of code: plain, or in a scope such as `keyword`, as the class that gives it its colour. */
export type Span = string | { className: string; children: readonly Span[] }

/** Gives the code in coloured pieces; null where the language is not known or the code breaks its rules badly. */
export type Highlight = (text: string, language: string) => readonly Span[] | null

/** The colours, once they are loaded. */
export const highlighter = makeLazy(async (): Promise<Highlight> => {
  const [core, languages] = await Promise.all([import('highlight.js/lib/core'), import('./languages')])
  const engine = core.default.newInstance()
  engine.configure({ __emitter: SpanEmitter })
  for (const [name, language] of Object.entries(languages.LANGUAGES)) engine.registerLanguage(name, language)
  return (text, language) => highlightWith(engine, text, language)
})

function highlightWith(engine: HLJSApi, text: string, language: string): readonly Span[] | null {
  if (!engine.getLanguage(language)) return null
  const { _emitter: emitter } = engine.highlight(text, { language, ignoreIllegals: true })
  return emitter instanceof SpanEmitter ? emitter.spans : null
}

interface Scope {
  className: string
  children: Span[]
}

/** Collects what highlight.js finds. Its interface is theirs: names with underscores are called by the library. */
class SpanEmitter {
  readonly #root: Scope = { className: '', children: [] }
  readonly #stack: Scope[] = [this.#root]

  /** All pieces, when the code has been read. */
  get spans(): readonly Span[] {
    return this.#root.children
  }

  get #top(): Scope {
    return this.#stack.at(-1) ?? this.#root
  }

  addText(text: string): void {
    if (text !== '') this.#top.children.push(text)
  }

  startScope(name: string): void {
    const scope: Scope = { className: toClassName(name), children: [] }
    this.#top.children.push(scope)
    this.#stack.push(scope)
  }

  endScope(): void {
    if (this.#stack.length > 1) this.#stack.pop()
  }

  __addSublanguage(emitter: SpanEmitter): void {
    this.#top.children.push(...emitter.spans)
  }

  finalize(): void {
    this.#stack.length = 1
  }

  toHTML(): string {
    return ''
  }

  // highlight.js opens and closes the scopes of a multi-part match by these names.
  openNode(name: string): void {
    this.startScope(name)
  }

  closeNode(): void {
    this.endScope()
  }

  closeAllNodes(): void {
    this.finalize()
  }
}

/** `title.function` becomes `hl-title hl-function`. */
function toClassName(scope: string): string {
  return scope
    .split('.')
    .map((name) => `hl-${name.replaceAll(/[^a-z0-9_-]/gi, '')}`)
    .join(' ')
}
