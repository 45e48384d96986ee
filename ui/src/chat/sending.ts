/**
 * What a question looks like on the wire: parameters, without those that the model refuses, and the messages.
 */
import type { Question } from '../protocol/frames'
import type { ChatBody, ReasoningOptions } from '../protocol/schema'
import { makeId } from './ids'
import { toUiMessage } from './messages'
import type { ChatMessage, ModelInfo, Params } from './model'

/** What is asked: where in the chat, and with what. */
export interface Asking {
  chatId: string
  model: string
  info: ModelInfo | undefined
  params: Params
  trigger: Question['trigger']
  /** The messages to send: what is new, or the whole branch where nothing is kept. */
  messages: readonly ChatMessage[]
  /** The kept message that they follow; null at the beginning of a chat, and where nothing is kept. */
  parentId: string | null
  temporary: boolean
}

/** Makes a question of its own: it is answered once, however often it is sent. */
export function toQuestion(asking: Asking): Question {
  const { chatId, trigger, messages, parentId, temporary } = asking
  return {
    chatId,
    idempotencyKey: makeId('q'),
    trigger,
    messages: messages.map(toUiMessage),
    body: {
      ...toOptions(asking.model, asking.params, asking.info),
      ...(parentId === null ? {} : { parentId }),
      ...(temporary ? { temporary: true } : {}),
    },
  }
}

/** Room for an answer beside a budget for reasoning. */
const ANSWER_TOKENS = 8192

/** Takes parameters for a model. What it is known to refuse is left out: parameters are chosen once for all models. */
export function toOptions(model: string, params: Params, info: ModelInfo | undefined): ChatBody {
  const refused = new Set(info?.refuses)
  const body: ChatBody = { model }
  if (params.system?.trim() && !refused.has('system')) body.system = params.system
  if (params.temperature !== undefined && !refused.has('temperature')) body.temperature = params.temperature
  const hasBoth = body.temperature !== undefined && refused.has('temperature+top_p')
  if (params.topP !== undefined && !refused.has('top_p') && !hasBoth) body.topP = params.topP
  if (params.topK !== undefined && !refused.has('top_k')) body.topK = params.topK
  if (params.stop?.length) body.stop = [...params.stop]
  const reasoning = toReasoning(params.reasoning, refused)
  const maxTokens = params.maxTokens ?? findRoom(reasoning, info)
  if (maxTokens !== undefined) body.maxTokens = maxTokens
  if (reasoning) body.reasoning = reasoning
  if (!params.stream) body.stream = false
  return body
}

/** A budget counts as part of the answer: where no length was chosen, there has to be room for both. */
function findRoom(reasoning: ReasoningOptions | null, info: ModelInfo | undefined): number | undefined {
  if (reasoning?.budgetTokens === undefined) return undefined
  return Math.min(reasoning.budgetTokens + ANSWER_TOKENS, info?.maxOutputTokens ?? Number.POSITIVE_INFINITY)
}

const EFFORTS = ['low', 'medium', 'high', 'xhigh', 'max'] as const

function toReasoning(wanted: Params['reasoning'], refused: ReadonlySet<string>): ReasoningOptions | null {
  if (!wanted || refused.has('reasoning') || refused.has(`reasoning_${wanted.mode}`)) return null
  const options: ReasoningOptions = { mode: wanted.mode }
  if (wanted.mode === 'enabled' && wanted.budgetTokens !== undefined)
    options.budgetTokens = wanted.budgetTokens
  const effort = EFFORTS.find((each) => each === wanted.effort)
  if (effort && !refused.has('effort') && !refused.has(`effort_${effort}`)) options.effort = effort
  return options
}
