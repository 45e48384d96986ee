/**
 * What the build leaves out of Mermaid: ELK, one of its layouts, which alone is a quarter of all that the page is made of.
 */
import { readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Plugin } from 'vite'

const ELK = /^\.\/elk-\w+\.mjs$/
const DAGRE = /^dagre-\w+\.mjs$/

/**
 * Draws the diagrams that ask for the layout ELK with dagre, Mermaid's usual one: it does the same by itself in its
 * small edition. Fails the build where Mermaid's files no longer have these names.
 */
export function leanMermaid(): Plugin {
  return {
    name: 'outcrop-lean-mermaid',
    apply: 'build',
    enforce: 'pre',
    resolveId(source, importer) {
      if (importer === undefined || !ELK.test(source) || !importer.includes('/mermaid/dist/')) return null
      const folder = dirname(importer)
      const dagre = readdirSync(folder).find((name) => DAGRE.test(name))
      return dagre === undefined ? this.error(`no layout dagre beside ${source}`) : join(folder, dagre)
    },
  }
}
