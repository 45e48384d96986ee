/* Made by `npm run types`; do not edit. */

export interface Everything {
branch?: BranchJson
conversation?: ConversationJson
foundPage?: FoundPageJson
model?: ListedModel
page?: PageJson
}
/**
 * Hold the end of a branch, in order; `hasMore` says that older messages come before it.
 */
export interface BranchJson {
conversation: ConversationJson
hasMore: boolean
messages: MessageJson[]
}
/**
 * Describe a conversation. Times are milliseconds since 1970; `revision` grows with every change.
 */
export interface ConversationJson {
createdAt: number
deletedAt: (number | null)
id: string
leafId: (string | null)
model: (string | null)
pinnedAt: (number | null)
revision: number
title: string
titleSource: ("model" | "person" | "prompt")
updatedAt: number
}
/**
 * Hold a message: a `UIMessage` (`id`, `role`, `parts`, `metadata`) with what the tree knows of it.
 * 
 * `siblings` are the names of all messages in its place, itself among them, the oldest first.
 */
export interface MessageJson {
createdAt: number
endedAt: (number | null)
failure: (FailureJson | null)
id: string
metadata: Record<string, unknown>
parentId: (string | null)
parts: Record<string, unknown>[]
role: ("assistant" | "user")
siblings: string[]
state: ("completed" | "failed" | "interrupted" | "running" | "stopped")
turnId: (string | null)
}
/**
 * Say why an answer failed or was interrupted; `retryable`: the same question may succeed later.
 */
export interface FailureJson {
code: string
message: string
retryable: boolean
}
/**
 * Hold a page of what was found, titles first; `cursor` leads to the next one.
 */
export interface FoundPageJson {
cursor: (string | null)
found: FoundJson[]
}
/**
 * Hold what was found: a title, or (`messageId`) a message.
 */
export interface FoundJson {
conversation: ConversationJson
marks: Mark[]
messageId: (string | null)
role: (("assistant" | "user") | null)
snippet: string
}
/**
 * Mark what was searched for: from `start` to before `end`, in characters (Unicode code points) of the snippet.
 */
export interface Mark {
end: number
start: number
}
/**
 * Hold one line of a model menu: what to write as `model`, what it stands for, and what is known of that.
 * 
 * `features` and limits are None where nothing is known.
 */
export interface ListedModel {
base_id: string
context_tokens?: (number | null)
end_of_life_on?: (string | null)
family: string
features?: (("cache" | "count_tokens" | "guardrails" | "prefill" | "reasoning" | "reasoning_history" | "streaming_tools" | "system" | "tool_choice" | "tools")[] | null)
input_modalities?: (("document" | "image" | "text")[] | null)
legacy_on?: (string | null)
lifecycle?: (("active" | "end_of_life" | "legacy") | null)
max_output_tokens?: (number | null)
model_id: string
name: string
price?: (ListedPrice | null)
provider?: (string | null)
refuses?: string[]
route: ("converse" | "native")
short_names?: string[]
successor?: (string | null)
title: string
warning?: (string | null)
}
/**
 * Hold a list price: USD per million tokens on demand, as it was read on a day from a source.
 * 
 * Cache prices are None where the model has no prompt cache, or where they are not known.
 */
export interface ListedPrice {
cache_read: (number | null)
cache_write_1h: (number | null)
cache_write_5m: (number | null)
input: number
output: number
priced_on: string
source: string
}
/**
 * Hold a page of a list; `cursor` leads to the next one.
 */
export interface PageJson {
conversations: ConversationJson[]
cursor: (string | null)
}
