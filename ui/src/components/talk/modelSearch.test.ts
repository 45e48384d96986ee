import { expect, it } from 'vitest'
import { CLAUDE, LLAMA, MODELS } from '../testing/samples'
import { findModels, isNameOfAnother } from './modelSearch'

it('groups models by their provider', () => {
  expect(findModels(MODELS, '').map((group) => group.provider)).toEqual(['Anthropic', 'Meta'])
})

it('finds a model by words of any of its names, in any order', () => {
  expect(findModels(MODELS, 'V9 llama')).toEqual([{ provider: 'Meta', models: [LLAMA] }])
})

it('finds nothing where one word fits nowhere', () => {
  expect(findModels(MODELS, 'claude seven')).toEqual([])
})

it('lets an ARN be used that is not in the list', () => {
  expect(
    isNameOfAnother(MODELS, ' arn:aws:bedrock:us-east-1:123456789012:inference-profile/my.own-v1:0 '),
  ).toBe(true)
})

it('does not offer to use a name that the list has', () => {
  expect(isNameOfAnother(MODELS, CLAUDE.modelId)).toBe(false)
})

it('does not take a sentence for a name', () => {
  expect(isNameOfAnother(MODELS, 'the best one')).toBe(false)
})
