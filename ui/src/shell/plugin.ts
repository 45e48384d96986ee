/**
 * What the build adds to Vite: the check of the first load's size, and the list of files that the service worker keeps.
 */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { Plugin, Rollup } from 'vite'

/** The name in the worker's source whose place the list of files takes. */
export const SHELL_PLACEHOLDER = '__OUTCROP_SHELL__'

const SHOWN_LINES = 20

type Bundle = Rollup.OutputBundle

interface Line {
  name: string
  bytes: number
  isFirst: boolean
}

/**
 * Names the chunks that the page loads before it can draw: the entry of `index.html` and all that it imports
 * statically.
 */
export function findFirstLoad(bundle: Bundle): Set<string> {
  const entries = Object.values(bundle).filter(
    (file) => file.type === 'chunk' && file.isEntry && file.facadeModuleId?.endsWith('/index.html'),
  )
  return addImports(
    bundle,
    entries.map((file) => file.fileName),
  )
}

function addImports(bundle: Bundle, names: readonly string[]): Set<string> {
  const found = new Set<string>()
  const waiting = [...names]
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    const file = bundle[name]
    if (found.has(name) || file?.type !== 'chunk') continue
    found.add(name)
    waiting.push(...file.imports)
  }
  return found
}

/** Measures every script in bytes of gzip: those of the first load before the others, the largest first. */
export function measure(bundle: Bundle): Line[] {
  const first = findFirstLoad(bundle)
  return Object.values(bundle)
    .filter((file) => file.type === 'chunk')
    .map((file) => ({
      name: file.fileName,
      bytes: gzipSync(file.code, { level: 9 }).length,
      isFirst: first.has(file.fileName),
    }))
    .sort((left, right) => Number(right.isFirst) - Number(left.isFirst) || right.bytes - left.bytes)
}

/**
 * Gives the sentence and the table with which the build fails when the first load is larger than `limit` bytes of gzip;
 * null when it is not.
 */
export function findExcess(lines: readonly Line[], limit: number): string | null {
  const total = lines.reduce((sum, line) => sum + (line.isFirst ? line.bytes : 0), 0)
  if (total <= limit) return null
  const shown = lines.filter((line, at) => line.isFirst || at < SHOWN_LINES)
  const table = shown.map(
    (line) => `${String(line.bytes).padStart(9)}  ${line.isFirst ? 'first' : 'later'}  ${line.name}`,
  )
  return [`the first load is ${total} bytes of gzip, the limit is ${limit}`, ...table].join('\n')
}

/**
 * Lists what the service worker keeps from the beginning: the page, the first load and the parts that it asks for by
 * itself later, their styles, and what is in `public`. Parts of those parts are kept once they were used.
 */
export function listShell(bundle: Bundle, publicFiles: readonly string[]): string[] {
  const first = findFirstLoad(bundle)
  const later = chunksOf(bundle, first).flatMap((chunk) => chunk.dynamicImports)
  const names = addImports(bundle, [...first, ...later])
  const styles = chunksOf(bundle, names).flatMap((chunk) => [...(chunk.viteMetadata?.importedCss ?? [])])
  const found = new Set(['', ...names, ...styles, ...publicFiles])
  return [...found].map((name) => `/${name}`).sort()
}

function chunksOf(bundle: Bundle, names: ReadonlySet<string>): Rollup.OutputChunk[] {
  return [...names].map((name) => bundle[name]).filter((file) => file?.type === 'chunk')
}

/**
 * Writes the list of files, and a version that changes with any byte of the page, into the service worker.
 */
export function writeShell(bundle: Bundle, publicFolder: string): void {
  const worker = bundle['sw.js']
  if (worker?.type !== 'chunk') return
  const publicFiles = readdirSync(publicFolder)
  const digest = createHash('sha256')
  for (const file of Object.values(bundle)) digest.update(file.type === 'chunk' ? file.code : file.source)
  for (const name of publicFiles) digest.update(readFileSync(join(publicFolder, name)))
  const shell = { version: digest.digest('hex').slice(0, 16), files: listShell(bundle, publicFiles) }
  worker.code = worker.code.replaceAll(SHELL_PLACEHOLDER, () => JSON.stringify(shell))
}

/** Fails a build whose first load is too large, and tells the service worker which files it keeps. */
export function shellPlugin(options: { maxFirstLoadBytes: number }): Plugin {
  let publicFolder = ''
  return {
    name: 'outcrop-shell',
    apply: 'build',
    configResolved(config) {
      publicFolder = config.publicDir
    },
    generateBundle: {
      // After Vite's own plugins: then the page and its styles are in the bundle too.
      order: 'post',
      handler(_options, bundle) {
        const excess = findExcess(measure(bundle), options.maxFirstLoadBytes)
        if (excess !== null) this.error(excess)
        writeShell(bundle, publicFolder)
      },
    },
  }
}
