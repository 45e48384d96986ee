import { afterEach, expect, it, vi } from 'vitest'
import { browserPage } from './page'

afterEach(() => {
  vi.unstubAllGlobals()
})

it('works alone where the browser forbids it to speak with other tabs', () => {
  vi.stubGlobal(
    'BroadcastChannel',
    class {
      constructor() {
        throw new DOMException('The operation is insecure.', 'SecurityError')
      }
    },
  )
  const page = browserPage()
  const told: string[] = []
  page.onTold(({ chatId }) => told.push(chatId))
  page.tell({ kind: 'changed', chatId: 'c1' })
  expect(told).toEqual([])
})
