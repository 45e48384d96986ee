import { expect, it } from 'vitest'
import { chooseLanguage, loadStrings } from '.'
import { de } from './de'
import { en } from './en'
import { ageOf, formatBytes, formatCost, formatCount, formatSeconds, tokensPerSecond } from './format'

function keysOf(table: object, path = ''): string[] {
  return Object.entries(table).flatMap(([key, value]) =>
    typeof value === 'object' ? keysOf(value, `${path}${key}.`) : [`${path}${key}`],
  )
}

it('has the same words in German as in English', () => {
  expect(keysOf(de).sort()).toEqual(keysOf(en).sort())
})

it('leaves no word empty', () => {
  for (const table of [en, de]) expect(JSON.stringify(table)).not.toContain('""')
})

it('takes the first language of the browser that the page speaks', () => {
  expect(chooseLanguage(['fr-FR', 'de-AT', 'en'])).toBe('de')
})

it('speaks English to those whose language it has not', () => {
  expect(chooseLanguage(['fr', 'ja'])).toBe('en')
})

it('loads the German table', async () => {
  expect(await loadStrings('de')).toBe(de)
})

it('writes large counts short', () => {
  expect([950, 9500, 12_345, 1_000_000].map((count) => formatCount(count, 'en'))).toEqual([
    '950',
    '9,500',
    '12.3K',
    '1M',
  ])
})

it('gives small amounts the digits that they need', () => {
  expect([0, 0.0087, 0.107, 12].map((cost) => formatCost(cost, 'en'))).toEqual([
    '$0.00',
    '$0.0087',
    '$0.11',
    '$12.00',
  ])
})

it('writes numbers as the language does', () => {
  expect(formatBytes(3_750_000, 'de')).toBe('3,75 MB')
  expect(formatSeconds(420, 'de', de)).toBe('0,4 s')
})

it('writes small files in kilobytes, and none as nothing', () => {
  expect([1, 2400, 99_999, 100_000].map((bytes) => formatBytes(bytes, 'en'))).toEqual([
    '1 kB',
    '3 kB',
    '100 kB',
    '0.1 MB',
  ])
})

it('measures the pace from the first token on', () => {
  expect(tokensPerSecond(100, 1000, 3000)).toBe(50)
})

it('has no pace for an answer whose time is not known', () => {
  expect(tokensPerSecond(100, 10, undefined)).toBeNull()
})

it('counts ages by the days of the calendar', () => {
  const noon = new Date(2026, 10, 21, 12).getTime()
  const hour = 3_600_000
  expect([1, 13, 40, 80, 400].map((hours) => ageOf(noon - hours * hour, noon))).toEqual([
    'today',
    'yesterday',
    'week',
    'week',
    'older',
  ])
})
