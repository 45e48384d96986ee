/**
 * What the API says, as the page's own values.
 */
import type { ConversationLine, FoundLine, ModelInfo, ServerInfo } from '../chat/model'
import type { HealthJson } from './api'
import type { ConversationJson, FoundJson, ListedModel } from './schema'

/** Takes a line of the model menu. */
export function toModelInfo(model: ListedModel): ModelInfo {
  return {
    name: model.name,
    modelId: model.model_id,
    title: model.title,
    provider: model.provider ?? '',
    inputModalities: model.input_modalities ?? ['text'],
    features: model.features ?? [],
    refuses: model.refuses ?? [],
    contextTokens: model.context_tokens ?? null,
    maxOutputTokens: model.max_output_tokens ?? null,
    price: model.price ? { input: model.price.input, output: model.price.output } : null,
    warning: model.warning ?? null,
  }
}

/** Takes what the server says of itself. */
export function toServerInfo(health: HealthJson, keepsConversations: boolean): ServerInfo {
  return {
    version: health.version,
    region: health.region,
    upstream: health.upstream,
    notice: health.notice ?? null,
    keyRequired: health.key_required,
    keepsConversations,
  }
}

/** Takes a line of the side bar. */
export function toLine(conversation: ConversationJson): ConversationLine {
  const { id, title, model, pinnedAt, updatedAt, deletedAt } = conversation
  return { id, title, model, pinnedAt, updatedAt, deletedAt }
}

/** Takes something that was found. */
export function toFoundLine(found: FoundJson): FoundLine {
  const { conversation, messageId, snippet, marks } = found
  return { conversation: toLine(conversation), messageId, snippet, marks }
}
