/**
 * Eyes on all of the document: what may not be there is seen, however short it lives.
 */
import { findForbiddenIn, findForbiddenValue } from '../src/markdown/testing/allowed'

/** How many findings are kept: one is enough to fail. */
const MAX_FINDINGS = 50

/** Holds the elements of one drawing, so that a finding says which one it was. */
export const HOLDER = 'md-holder-'

/** What was found that may not be: elements, attributes, addresses, and what the page's policy refused. */
export class Watch {
  readonly found: string[] = []
  readonly #observer = new MutationObserver((records) => this.#read(records))

  /** Watches from now on. What is in the document already is not looked at. */
  start(): void {
    this.#observer.observe(document, {
      subtree: true,
      childList: true,
      attributes: true,
      attributeOldValue: true,
    })
    document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI, sample }) =>
      this.#note(document.body, [`the policy refused ${violatedDirective}: ${blockedURI} ${sample}`]),
    )
  }

  /** Looks at all that was changed until now. */
  look(): void {
    this.#read(this.#observer.takeRecords())
  }

  #read(records: readonly MutationRecord[]): void {
    for (const { target, addedNodes, attributeName, oldValue } of records) {
      for (const node of addedNodes) this.#readNode(node, target)
      if (!attributeName || !(target instanceof Element)) continue
      this.#note(target, findForbiddenIn(target))
      if (oldValue !== null) this.#note(target, findForbiddenValue(target, attributeName, oldValue))
    }
  }

  #readNode(node: Node, parent: Node): void {
    if (node instanceof Element) {
      for (const each of [node, ...node.querySelectorAll('*')]) this.#note(each, findForbiddenIn(each))
    } else if (node.nodeType !== Node.TEXT_NODE) {
      this.#note(parent, [`a node ${node.nodeName}`])
    }
  }

  #note(place: Node, findings: readonly string[]): void {
    if (findings.length === 0) return
    const holder = place instanceof Element ? place.closest(`[class^=${HOLDER}]`)?.className : undefined
    for (const finding of findings) {
      if (this.found.length < MAX_FINDINGS) this.found.push(`${finding} (${holder ?? 'elsewhere'})`)
    }
  }
}
