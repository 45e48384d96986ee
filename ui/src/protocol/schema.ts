/* Made by `npm run types`; do not edit. */

/**
 * See protocol.md. Validate one kind of object with the reference under its name.
 */
export interface Everything {
filePart?: FilePart
message?: UiMessage
part?: (Start | StartStep | FinishStep | TextStart | TextPiece | TextEnd | ReasoningStart | ReasoningPiece | ReasoningEnd | ToolInputStart | ToolInputPiece | ToolInputAvailable | ToolInputError | SourceUrl | SourceDocument | DataCitation | DataBedrock | DataSeam | DataError | ErrorPart | Abort | MetadataPart | Finish)
reasoningPart?: ReasoningUiPart
resumeFields?: ResumeFields
sendBody?: ChatBody
sendFields?: SendFields
serverFrame?: (StartFrame | ChunkFrame | EndFrame | NoActiveFrame | ErrorFrame | EventFrame)
textPart?: TextUiPart
toolPart?: ToolUiPart
}
/**
 * Hold a file: a `data:` URL; what it is, where the URL does not say so; what it is called.
 */
export interface FilePart {
filename?: string
mediaType?: string
providerReference?: unknown
url?: string
}
/**
 * Hold a page's message; its parts are checked one by one. `metadata` of an answer is what this server gave with it.
 */
export interface UiMessage {
id?: string
metadata?: unknown
parts: Record<string, unknown>[]
role: ("assistant" | "system" | "user")
}
/**
 * Open the message. It is sent at once, before Bedrock has said anything.
 */
export interface Start {
messageId: string
messageMetadata: MessageMetadata
type: "start"
}
/**
 * Say what is known of an answer: `turnId`, `model` (as the client wrote it) and `region` from its start.
 * 
 * `replicaOnly` says that only this server knows the turn, because the store of the turn log is down.
 * 
 * `bedrock` holds, opaque, what the model's family says that has no field here.
 */
export interface MessageMetadata {
bedrock?: Record<string, unknown>
costUsd?: number
durationMs?: number
model?: string
region?: string
replicaOnly?: boolean
stopReason?: string
stopSequence?: string
ttftMs?: number
turnId?: string
usage?: UsageCounts
}
/**
 * Count tokens. `inputTokens` excludes the prompt cache; `estimated` marks counts that Bedrock did not report.
 */
export interface UsageCounts {
cacheReadTokens: number
cacheWriteTokens: number
estimated: boolean
inputTokens: number
outputTokens: number
reasoningTokens: number
}
/**
 * Say that the model answers now.
 */
export interface StartStep {
type: "start-step"
}
/**
 * Say that the model has answered.
 */
export interface FinishStep {
type: "finish-step"
}
/**
 * Open a text.
 */
export interface TextStart {
id: string
type: "text-start"
}
/**
 * Add to a text.
 */
export interface TextPiece {
delta: string
id: string
type: "text-delta"
}
/**
 * Close a text.
 */
export interface TextEnd {
id: string
type: "text-end"
}
/**
 * Open a piece of reasoning.
 */
export interface ReasoningStart {
id: string
type: "reasoning-start"
}
/**
 * Add to a piece of reasoning.
 */
export interface ReasoningPiece {
delta: string
id: string
type: "reasoning-delta"
}
/**
 * Close a piece of reasoning, with what must go back to the model unmodified.
 */
export interface ReasoningEnd {
id: string
providerMetadata?: ProviderMetadata
type: "reasoning-end"
}
/**
 * Keep `providerMetadata` under the provider's name.
 */
export interface ProviderMetadata {
bedrock: BedrockMetadata
}
/**
 * Say what Bedrock says of a part: a reasoning's `signature` or its encrypted text, or a citation as it came.
 */
export interface BedrockMetadata {
citation?: unknown
redactedData?: string
signature?: string
}
/**
 * Open a call of a tool.
 */
export interface ToolInputStart {
toolCallId: string
toolName: string
type: "tool-input-start"
}
/**
 * Add to the JSON text of a call's arguments.
 */
export interface ToolInputPiece {
inputTextDelta: string
toolCallId: string
type: "tool-input-delta"
}
/**
 * Close a call with its complete arguments.
 */
export interface ToolInputAvailable {
input: Record<string, unknown>
toolCallId: string
toolName: string
type: "tool-input-available"
}
/**
 * Close a call whose arguments are not one JSON object; `input` is their text as it came.
 */
export interface ToolInputError {
errorText: string
input: string
toolCallId: string
toolName: string
type: "tool-input-error"
}
/**
 * Name a web page that the answer cites.
 */
export interface SourceUrl {
providerMetadata?: ProviderMetadata
sourceId: string
title?: string
type: "source-url"
url: string
}
/**
 * Name a document of the prompt that the answer cites.
 */
export interface SourceDocument {
mediaType: string
providerMetadata?: ProviderMetadata
sourceId: string
title: string
type: "source-document"
}
/**
 * Carry a citation that has no part of its own.
 */
export interface DataCitation {
data: Citation
type: "data-citation"
}
/**
 * Hold a citation that is neither of a web page nor of a document, as it came.
 */
export interface Citation {
citation: unknown
index: number
}
/**
 * Carry content that has no part of its own: tools that Bedrock runs itself, images, blocks of new kinds.
 */
export interface DataBedrock {
data: BedrockDetails
type: "data-bedrock"
}
/**
 * Hold what a model said in content block `index` that has no part of its own, as it came.
 */
export interface BedrockDetails {
details: Record<string, unknown>
index: number
}
/**
 * Mark the place where another server continued the answer: the model was asked again with what it had said so far.
 */
export interface DataSeam {
data: Seam
type: "data-seam"
}
/**
 * Say why another server continues the answer.
 */
export interface Seam {
reason: string
}
/**
 * Come just before the standard `error` part. It is transient: it does not become a part of the message.
 */
export interface DataError {
data: ErrorDetails
transient: boolean
type: "data-error"
}
/**
 * Say what went wrong, for a program. `retryable`: the same request may succeed later.
 */
export interface ErrorDetails {
awsError?: string
awsRequestId?: string
code: string
message: string
retryAfterMs?: number
retryable: boolean
}
/**
 * End the stream badly. Nothing follows.
 */
export interface ErrorPart {
errorText: string
type: "error"
}
/**
 * End the stream because a client asked us to stop. Nothing follows.
 */
export interface Abort {
reason: string
type: "abort"
}
/**
 * Add to the message's metadata: what Bedrock says at the start, and the bill of an answer that ends without `finish`.
 */
export interface MetadataPart {
messageMetadata: MessageMetadata
type: "message-metadata"
}
/**
 * End the stream well. Nothing follows.
 */
export interface Finish {
finishReason: ("content-filter" | "error" | "length" | "other" | "stop" | "tool-calls")
messageMetadata: MessageMetadata
type: "finish"
}
/**
 * Hold reasoning; `providerMetadata.bedrock` has its `signature` or its `redactedData`.
 */
export interface ReasoningUiPart {
providerMetadata?: {
[k: string]: (Record<string, unknown>) | null
}
text?: string
}
/**
 * Hold a `resume` frame's fields.
 */
export interface ResumeFields {
body?: ResumeBody
id: string
lastSequence?: number
}
/**
 * Name the turn to resume. The stock client puts the same fields here as into `send`; they are passed over.
 */
export interface ResumeBody {
epoch?: string
turnId?: string
}
/**
 * Hold how to answer. A field that is missing, or null, leaves it to the model.
 */
export interface ChatBody {
maxTokens?: number
model: string
parentId?: string
reasoning?: ReasoningOptions
stop?: (string | string[])
stream?: boolean
system?: string
temperature?: number
temporary?: boolean
toolChoice?: (("any" | "auto" | "none" | "required") | NamedTool)
/**
 * @maxItems 1024
 */
tools?: ToolOptions[]
topK?: number
topP?: number
}
/**
 * Say how much the model may reason: `enabled` with a budget, `adaptive` with a level of effort, or `disabled`.
 */
export interface ReasoningOptions {
budgetTokens?: number
effort?: ("high" | "low" | "max" | "medium" | "xhigh")
mode: ("adaptive" | "disabled" | "enabled")
}
/**
 * Demand a call of one tool.
 */
export interface NamedTool {
toolName: string
type: "tool"
}
/**
 * Describe a tool that the client carries out; `inputSchema` is a JSON Schema object.
 */
export interface ToolOptions {
description?: string
inputSchema: Record<string, unknown>
name: string
strict?: boolean
}
/**
 * Hold what a `send` frame and an HTTP body have in common, besides how to answer.
 * 
 * `headers` are the client's own for this request, not those of HTTP: only `idempotency-key` is read.
 */
export interface SendFields {
headers?: {
[k: string]: string
}
id: string
messageId?: string
messages: unknown[]
trigger?: ("regenerate-message" | "submit-message")
}
/**
 * Say that a request was accepted, and which turn answers it. `turnId` and `epoch` make a position complete.
 */
export interface StartFrame {
epoch?: string
requestId: string
turnId?: string
type: "start"
}
/**
 * Carry one part. `sequence` counts a turn's parts from 0; a resumed stream keeps the numbers.
 */
export interface ChunkFrame {
chunk: unknown
requestId: string
sequence: number
type: "chunk"
}
/**
 * Say that the stream of a request is complete.
 */
export interface EndFrame {
requestId: string
type: "end"
}
/**
 * Say that a chat has no turn to resume.
 */
export interface NoActiveFrame {
requestId: string
type: "no-active"
}
/**
 * End a request that could not be served: a sentence for a person, and what a program needs to know.
 * 
 * `turnId` is the running turn of a chat that is busy.
 */
export interface ErrorFrame {
awsRequestId?: string
code: string
errorText: string
requestId: string
retryAfterMs?: number
retryable: boolean
turnId?: string
type: "error"
}
/**
 * Tell of the connection itself. `ping` asks for nothing; after `draining`, connect again, with that delay.
 */
export interface EventFrame {
chatId?: string
etaMs?: number
event: ("conversation-changed" | "draining" | "ping" | "queued")
forRequestId?: string
position?: number
requestId: string
retryAfterMs?: number
type: "event"
}
/**
 * Hold text.
 */
export interface TextUiPart {
text: string
}
/**
 * Hold a call of a tool and what came of it. `toolName` is there in a `dynamic-tool` part.
 */
export interface ToolUiPart {
errorText?: string
input?: unknown
output?: unknown
state: ("approval-requested" | "approval-responded" | "input-available" | "input-streaming" | "output-available" | "output-denied" | "output-error")
toolCallId: string
toolName?: string
}
/**
 * Name the turn to resume. The stock client puts the same fields here as into `send`; they are passed over.
 */
export interface ResumeBody1 {
epoch?: string
turnId?: string
}
