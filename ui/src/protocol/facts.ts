/**
 * Reads metadata of answers, which comes in parts of a stream and with kept messages alike.
 */
import type { UsageCounts } from '../chat/model'
import type { AnswerFacts } from './answer'
import { isFields } from './frames'

const TEXTS = ['turnId', 'model', 'region', 'stopReason'] as const
const NUMBERS = ['ttftMs', 'durationMs', 'costUsd'] as const
const COUNTS = ['reasoningTokens', 'cacheReadTokens', 'cacheWriteTokens'] as const

/** Reads what metadata says; what is not as it should be is left out. */
export function readFacts(metadata: unknown): AnswerFacts {
  const facts: AnswerFacts = {}
  if (!isFields(metadata)) return facts
  for (const name of TEXTS) {
    const value = metadata[name]
    if (typeof value === 'string') facts[name] = value
  }
  for (const name of NUMBERS) {
    const value = metadata[name]
    if (typeof value === 'number') facts[name] = value
  }
  const usage = readUsage(metadata.usage)
  if (usage) facts.usage = usage
  return facts
}

function readUsage(value: unknown): UsageCounts | null {
  if (!isFields(value) || typeof value.inputTokens !== 'number' || typeof value.outputTokens !== 'number')
    return null
  const usage: UsageCounts = { inputTokens: value.inputTokens, outputTokens: value.outputTokens }
  for (const name of COUNTS) {
    const count = value[name]
    if (typeof count === 'number') usage[name] = count
  }
  if (value.estimated === true) usage.estimated = true
  return usage
}
