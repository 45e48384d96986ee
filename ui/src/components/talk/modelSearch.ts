/**
 * Finding a model in the menu.
 */
import type { ModelInfo } from '../../chat/model'

/** The models of one provider. */
export interface ModelGroup {
  provider: string
  models: readonly ModelInfo[]
}

/** Gives the models that have each word of a text somewhere in their names, by provider, in the server's order. */
export function findModels(models: readonly ModelInfo[], text: string): ModelGroup[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean)
  const groups = new Map<string, ModelInfo[]>()
  for (const model of models) {
    const names = `${model.title} ${model.name} ${model.modelId} ${model.provider}`.toLowerCase()
    if (!words.every((word) => names.includes(word))) continue
    const group = groups.get(model.provider)
    if (group) group.push(model)
    else groups.set(model.provider, [model])
  }
  return [...groups].map(([provider, found]) => ({ provider, models: found }))
}

/** Tells whether a text may be used as a model's name although no model of the list has it: an ID or an ARN. */
export function isNameOfAnother(models: readonly ModelInfo[], text: string): boolean {
  const name = text.trim()
  return (
    /^[\w.:/-]{2,2048}$/.test(name) && !models.some((model) => model.name === name || model.modelId === name)
  )
}
