/// <reference types="vitest/config" />
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'
import { leanMermaid } from './src/shell/lean.ts'
import { shellPlugin } from './src/shell/plugin.ts'

const GATEWAY = process.env.OUTCROP_URL ?? 'http://127.0.0.1:8080'
const SERVED_BY_THE_GATEWAY = ['/api', '/v1', '/model', '/ws', '/healthz', '/readyz']
const MAX_FIRST_LOAD_BYTES = 100_000

function find(path: string): string {
  return fileURLToPath(new URL(path, import.meta.url))
}

const page = { index: find('index.html'), sw: find('src/shell/worker.ts') }
// Diagrams are drawn in a frame of their own, whose page may do what the chat's page may not.
const frame = find('mermaid.html')

export default defineConfig({
  plugins: [react(), leanMermaid(), shellPlugin({ maxFirstLoadBytes: MAX_FIRST_LOAD_BYTES })],
  // Mermaid brings another version of its own; formulas are drawn by one.
  resolve: { dedupe: ['katex'] },
  server: {
    host: '127.0.0.1',
    proxy: Object.fromEntries(SERVED_BY_THE_GATEWAY.map((path) => [path, { target: GATEWAY, ws: true }])),
  },
  build: {
    target: ['chrome123', 'firefox125', 'safari17.5'],
    outDir: 'dist',
    emptyOutDir: true,
    sourcemap: false,
    // The notices that the licences of what is bundled ask for.
    license: { fileName: 'licenses.md' },
    // The page's policy has no place for inline scripts and data: fonts or styles.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 2000,
    rollupOptions: {
      input: existsSync(frame) ? { ...page, mermaid: frame } : page,
      output: {
        entryFileNames: (chunk) => (chunk.name === 'sw' ? 'sw.js' : 'assets/[name]-[hash].js'),
      },
    },
  },
  test: {
    // Values are tested in Node, whatever is drawn in jsdom; a file may say otherwise in its first line.
    projects: [
      { extends: true, test: { name: 'values', environment: 'node', include: ['src/**/*.test.ts'] } },
      {
        extends: true,
        test: {
          name: 'drawn',
          environment: 'jsdom',
          include: ['src/**/*.test.tsx'],
          setupFiles: ['src/shell/testSetup.ts'],
        },
      },
    ],
  },
})
