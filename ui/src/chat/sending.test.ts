import { describe, expect, it } from 'vitest'
import type { ModelInfo, Params } from './model'
import { toOptions } from './sending'

const ALL: Params = {
  system: 'be brief',
  temperature: 0.2,
  topP: 0.9,
  topK: 5,
  maxTokens: 100,
  stop: ['END'],
  reasoning: { mode: 'enabled', budgetTokens: 2000, effort: 'max' },
  stream: true,
}

function model(...refuses: string[]): ModelInfo {
  return {
    name: 'm',
    modelId: 'm',
    title: 'M',
    provider: '',
    inputModalities: [],
    features: [],
    refuses,
    contextTokens: null,
    maxOutputTokens: null,
    price: null,
    warning: null,
  }
}

describe('toOptions', () => {
  it('leaves room for an answer beside a budget for reasoning', () => {
    const reasoning = { mode: 'enabled', budgetTokens: 24_576 } as const
    const chosen: Params = { reasoning, stream: true }
    expect(toOptions('m', chosen, model()).maxTokens).toBe(32_768)
    expect(toOptions('m', chosen, { ...model(), maxOutputTokens: 30_000 }).maxTokens).toBe(30_000)
  })

  it('sends all that was chosen to a model of which nothing is known', () => {
    const { stream: _, ...chosen } = ALL
    expect(toOptions('m', ALL, undefined)).toEqual({ model: 'm', ...chosen })
  })

  it.each([
    ['system', 'system'],
    ['temperature', 'temperature'],
    ['top_p', 'topP'],
    ['top_k', 'topK'],
    ['reasoning', 'reasoning'],
    ['reasoning_enabled', 'reasoning'],
  ])('leaves out what the model refuses: %s', (refused, field) => {
    expect(toOptions('m', ALL, undefined)).toHaveProperty(field)
    expect(toOptions('m', ALL, model(refused))).not.toHaveProperty(field)
  })

  it('sends one of two that the model does not take together', () => {
    const both = toOptions('m', ALL, model('temperature+top_p'))
    expect(both).toHaveProperty('temperature')
    expect(both).not.toHaveProperty('topP')
    const { temperature: _, ...one } = ALL
    expect(toOptions('m', one, model('temperature+top_p'))).toHaveProperty('topP')
  })

  it('sends no effort that the model does not know', () => {
    for (const refused of ['effort', 'effort_max']) {
      expect(toOptions('m', ALL, model(refused)).reasoning).toEqual({ mode: 'enabled', budgetTokens: 2000 })
    }
  })

  it('sends a budget only where reasoning is enabled by one', () => {
    const adaptive: Params = { ...ALL, reasoning: { mode: 'adaptive', budgetTokens: 5, effort: 'low' } }
    expect(toOptions('m', adaptive, undefined).reasoning).toEqual({ mode: 'adaptive', effort: 'low' })
  })

  it('says nothing of what was not chosen, or is blank', () => {
    expect(toOptions('m', { stream: true, system: ' ', stop: [] }, undefined)).toEqual({ model: 'm' })
    expect(toOptions('m', { stream: false }, undefined)).toEqual({ model: 'm', stream: false })
  })
})
