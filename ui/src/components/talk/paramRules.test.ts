import { expect, it } from 'vitest'
import { CLAUDE, LLAMA } from '../testing/samples'
import {
  countChanges,
  fromReasoning,
  isTaken,
  listEfforts,
  parseNumber,
  toReasoning,
  withParam,
} from './paramRules'

it('reads a number with a comma, as some write it', () => {
  expect(parseNumber(' 0,7 ', 'temperature')).toBe(0.7)
})

it('leaves a setting to the model where nothing is typed', () => {
  expect(parseNumber('', 'topP')).toBeUndefined()
})

it('does not take what is no number of the range', () => {
  expect(['2.1', '-1', 'hot'].map((text) => parseNumber(text, 'temperature'))).toEqual([null, null, null])
})

it('wants whole numbers of tokens', () => {
  expect(parseNumber('1.5', 'maxTokens')).toBeNull()
})

it('offers what at least one model of the columns takes', () => {
  expect(isTaken('top_k', [LLAMA])).toBe(false)
  expect(isTaken('top_k', [LLAMA, CLAUDE])).toBe(true)
})

it('asks a model that decides by itself with a word', () => {
  expect(toReasoning('high', [CLAUDE])).toEqual({ mode: 'adaptive', effort: 'high' })
})

it('gives a budget to a model that wants one', () => {
  const model = { ...CLAUDE, refuses: ['reasoning_adaptive'] }
  expect(toReasoning('low', [model])).toEqual({ mode: 'enabled', effort: 'low', budgetTokens: 2048 })
})

it('finds the choice again from what was sent', () => {
  const efforts = listEfforts([CLAUDE])
  expect(efforts.map((effort) => fromReasoning(toReasoning(effort, [CLAUDE])))).toEqual(efforts)
})

it('leaves a model that can’t reason no choice', () => {
  expect(listEfforts([LLAMA])).toEqual(['default'])
})

it('takes a setting out where it is left to the model', () => {
  expect(withParam({ stream: true, topK: 3 }, 'topK', undefined)).toEqual({ stream: true })
})

it('counts what is not as by default', () => {
  expect([{ stream: true }, { stream: false, topK: 1 }].map(countChanges)).toEqual([0, 2])
})
