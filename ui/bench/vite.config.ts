import { fileURLToPath } from 'node:url'
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

/** Builds the benchmark's page as the real one is built: production mode, minified, one React for all. */
export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  base: './',
  plugins: [react()],
  resolve: { dedupe: ['react', 'react-dom'] },
  build: {
    target: ['chrome123'],
    reportCompressedSize: false,
    chunkSizeWarningLimit: 10_000,
    emptyOutDir: true,
  },
})
