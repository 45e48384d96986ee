import { describe, expect, it } from 'vitest'
import { countHeldBack } from './mend'

function shown(text: string): string {
  return text.slice(0, text.length - countHeldBack(text))
}

describe('the end of a text that is being written', () => {
  it.each([
    ['para\n-', 'para\n'],
    ['para\n==', 'para\n'],
    ['text\n1.', 'text\n'],
    ['text\n#', 'text\n'],
    ['text\n``', 'text\n'],
    ['> #', ''],
    ['a **', 'a '],
    ['see ![', 'see '],
    ['see [docs]', 'see [docs'],
    ['let \\(', 'let '],
    ['| a | b |', ''],
    ['text\n\n| a | b |\n|--', 'text\n\n'],
    ['a `code`', 'a `code'],
  ])('waits where the next character decides: %j', (text, visible) => {
    expect(shown(text)).toBe(visible)
  })

  it.each([
    'Hello!',
    'a **bold',
    '| a |\n|---|\n',
    '| a |\n|---|\n| b',
    '- item',
    '# Title',
    '2 * 3 = 6',
    'a | b',
  ])('is shown: %j', (text) => {
    expect(shown(text)).toBe(text)
  })
})
