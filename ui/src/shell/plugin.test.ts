import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Rollup } from 'vite'
import { describe, expect, it } from 'vitest'
import { findExcess, findFirstLoad, listShell, measure, writeShell } from './plugin'

interface Part {
  code?: string
  imports?: string[]
  later?: string[]
  css?: string[]
  entry?: string
}

function chunk(
  fileName: string,
  { code = '', imports = [], later = [], css = [], entry }: Part,
): Rollup.OutputChunk {
  return {
    type: 'chunk',
    fileName,
    code,
    imports,
    dynamicImports: later,
    isEntry: entry !== undefined,
    facadeModuleId: entry ?? null,
    viteMetadata: { importedCss: new Set(css), importedAssets: new Set() },
  } as unknown as Rollup.OutputChunk
}

function bundleOf(parts: Record<string, Part>): Rollup.OutputBundle {
  return Object.fromEntries(Object.entries(parts).map(([name, part]) => [name, chunk(name, part)]))
}

const PARTS: Record<string, Part> = {
  'assets/index.js': {
    entry: '/ui/index.html',
    imports: ['assets/react.js'],
    later: ['assets/markdown.js'],
    css: ['assets/index.css'],
    code: 'index',
  },
  'assets/react.js': { imports: ['assets/runtime.js', 'assets/index.js'], code: 'react' },
  'assets/runtime.js': { code: 'runtime' },
  'assets/markdown.js': {
    imports: ['assets/marked.js', 'assets/react.js'],
    later: ['assets/katex.js'],
    css: ['assets/markdown.css'],
  },
  'assets/marked.js': { code: 'marked' },
  'assets/katex.js': { imports: ['assets/runtime.js'], css: ['assets/katex.css'], code: 'later' },
  'assets/mermaid.js': { entry: '/ui/mermaid.html', code: 'frame' },
  'sw.js': { entry: '/ui/src/shell/worker.ts', code: 'const shell = __OUTCROP_SHELL__' },
}

describe('the first load', () => {
  it('is the entry of the page with all that it imports, and nothing that comes later', () => {
    const found = findFirstLoad(bundleOf(PARTS))
    expect([...found].sort()).toEqual(['assets/index.js', 'assets/react.js', 'assets/runtime.js'])
  })

  it('is in order up to its limit', () => {
    const lines = measure(bundleOf(PARTS))
    const total = lines.reduce((sum, line) => sum + (line.isFirst ? line.bytes : 0), 0)
    expect(findExcess(lines, total)).toBeNull()
    expect(findExcess(lines, total - 1)).toContain(
      `the first load is ${total} bytes of gzip, the limit is ${total - 1}`,
    )
  })

  it('is shown beside everything else when it is too large, the largest first', () => {
    const large = Array.from({ length: 999 }, (_, at) => `x${at * at}`).join()
    const words = findExcess(measure(bundleOf({ ...PARTS, 'assets/react.js': { code: large } })), 100) ?? ''
    expect(words.split('\n')[1]).toMatch(/^ +\d{4} {2}first {2}assets\/react\.js$/)
    expect(words).toMatch(/later {2}assets\/katex\.js/)
  })
})

describe('the shell', () => {
  it('has the page, the first load, what that asks for later, their styles, and the public files', () => {
    expect(listShell(bundleOf(PARTS), ['icon.svg'])).toEqual([
      '/',
      '/assets/index.css',
      '/assets/index.js',
      '/assets/markdown.css',
      '/assets/markdown.js',
      '/assets/marked.js',
      '/assets/react.js',
      '/assets/runtime.js',
      '/icon.svg',
    ])
  })

  it('is written into the worker with a version that changes with any part', () => {
    const folder = mkdtempSync(join(tmpdir(), 'shell-'))
    const write = (parts: Record<string, Part>) => {
      const bundle = bundleOf(parts)
      writeShell(bundle, folder)
      return (bundle['sw.js'] as Rollup.OutputChunk).code
    }
    const first = write(PARTS)
    expect(first).toMatch(/^const shell = \{"version":"[0-9a-f]{16}","files":\["\/",/)
    expect(write(PARTS)).toBe(first)
    expect(write({ ...PARTS, 'assets/katex.js': { code: 'changed' } })).not.toBe(first)
    writeFileSync(join(folder, 'icon.svg'), '<svg/>')
    expect(write(PARTS)).toContain('"/icon.svg"')
  })
})
