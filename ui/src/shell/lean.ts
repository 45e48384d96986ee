/**
 * What the build leaves out of Mermaid, a third of all that the page is made of: two layouts, and a kind of diagram that
 * is as large as the three most common ones and seldom seen.
 */
import { readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Plugin } from 'vite'

const LAYOUTS = /^\.\/(?:elk|swimlanes)-\w+\.mjs$/
const DAGRE = /^dagre-\w+\.mjs$/
const USE_CASES = /\/usecaseDiagram-\w+\.mjs$/
const NOTHING = '\0outcrop-no-diagram'

/**
 * Draws the diagrams that ask for the layouts ELK and swimlanes with dagre, Mermaid's usual one: for ELK it does the same
 * by itself in its small edition. Use case diagrams fail, so their source is shown. Fails the build where dagre no longer
 * has its name.
 */
export function leanMermaid(): Plugin {
  return {
    name: 'outcrop-lean-mermaid',
    apply: 'build',
    enforce: 'pre',
    resolveId(source, importer) {
      if (importer === undefined || !importer.includes('/mermaid/dist/')) return null
      if (USE_CASES.test(source)) return NOTHING
      if (!LAYOUTS.test(source)) return null
      const folder = dirname(importer)
      const dagre = readdirSync(folder).find((name) => DAGRE.test(name))
      return dagre === undefined ? this.error(`no layout dagre beside ${source}`) : join(folder, dagre)
    },
    load(id) {
      return id === NOTHING
        ? "export const diagram = null; throw new Error('this page draws no use case diagrams')"
        : null
    },
  }
}
