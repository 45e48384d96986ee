/// <reference types="node" />
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

it('has the types that its schema has now', { timeout: 60_000 }, async () => {
  const script = fileURLToPath(new URL('../../scripts/types.mjs', import.meta.url))
  const checked = promisify(execFile)(process.execPath, [script, '--check'])
  await expect(checked).resolves.toMatchObject({ stderr: '' })
})
