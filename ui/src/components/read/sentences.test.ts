import { expect, it } from 'vitest'
import { cutSentences } from './sentences'

it('gives whole sentences, and keeps the one that still grows', () => {
  expect(cutSentences('One. Two! Thr')).toBe('One. Two!')
})

it('does not take a point in a number for an end', () => {
  expect(cutSentences('It costs 3.5')).toBe('')
})

it('knows the ends of other scripts', () => {
  expect(cutSentences('はい。そう')).toBe('はい。')
})

it('takes the end of a line for an end', () => {
  expect(cutSentences('- one\n- tw')).toBe('- one\n')
})
