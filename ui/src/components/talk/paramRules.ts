/**
 * What can be set for an answer, and how what a person typed becomes a value.
 */
import type { ModelInfo, Params } from '../../chat/model'

/** A setting that is a number. */
export type NumberParam = 'temperature' | 'topP' | 'topK' | 'maxTokens'

interface NumberRule {
  /** What the server's list of refusals calls it; null for what every model takes. */
  field: string | null
  least: number
  most: number
  step: number
}

/** The numbers' ranges, by setting. */
export const NUMBER_RULES: Readonly<Record<NumberParam, NumberRule>> = {
  temperature: { field: 'temperature', least: 0, most: 2, step: 0.1 },
  topP: { field: 'top_p', least: 0, most: 1, step: 0.05 },
  topK: { field: 'top_k', least: 0, most: 500, step: 1 },
  maxTokens: { field: null, least: 1, most: 10_000_000, step: 1 },
}

/** Tells whether at least one of some models takes a field; of one that is not listed it is not known. */
export function isTaken(field: string | null, models: readonly (ModelInfo | undefined)[]): boolean {
  return field === null || models.some((model) => !model?.refuses.includes(field))
}

/** Reads a number: undefined for nothing, null for what is no number of the range. */
export function parseNumber(text: string, name: NumberParam): number | undefined | null {
  const trimmed = text.trim().replace(',', '.')
  if (trimmed === '') return undefined
  const { least, most, step } = NUMBER_RULES[name]
  const value = Number(trimmed)
  const fits = value >= least && value <= most && (step < 1 || Number.isInteger(value))
  return fits ? value : null
}

/** How much a model is to reason, as the page offers it. */
export type Effort = 'default' | 'off' | 'low' | 'medium' | 'high'

// For models that want a budget instead of a word.
const BUDGETS = { low: 2048, medium: 8192, high: 24_576 } as const

/** Turns a choice into what a model takes: a word where it decides by itself, else a budget of tokens. */
export function toReasoning(effort: Effort, models: readonly (ModelInfo | undefined)[]): Params['reasoning'] {
  if (effort === 'default') return undefined
  if (effort === 'off') return { mode: 'disabled' }
  if (isTaken('reasoning_adaptive', models)) return { mode: 'adaptive', effort }
  return { mode: 'enabled', effort, budgetTokens: BUDGETS[effort] }
}

/** Says which choice made a value. */
export function fromReasoning(reasoning: Params['reasoning']): Effort {
  if (!reasoning) return 'default'
  if (reasoning.mode === 'disabled') return 'off'
  const { effort } = reasoning
  return effort === 'low' || effort === 'medium' || effort === 'high' ? effort : 'medium'
}

/** Lists the choices that a model takes. */
export function listEfforts(models: readonly (ModelInfo | undefined)[]): Effort[] {
  const canReason =
    isTaken('reasoning', models) &&
    (isTaken('reasoning_adaptive', models) || isTaken('reasoning_enabled', models))
  const efforts: Effort[] = ['default']
  if (canReason && isTaken('reasoning_disabled', models)) efforts.push('off')
  if (canReason) efforts.push('low', 'medium', 'high')
  return efforts
}

/** Puts a setting in; undefined takes it out. */
export function withParam<K extends keyof Params>(
  params: Params,
  name: K,
  value: Params[K] | undefined,
): Params {
  const { [name]: _, ...rest } = params
  return (value === undefined ? rest : { ...rest, [name]: value }) as Params
}

/** Counts the settings that are not the defaults. */
export function countChanges({ stream, ...rest }: Params): number {
  return Object.keys(rest).length + (stream ? 0 : 1)
}
