/**
 * The JSON API for tests of the store: tables of answers, and a list of what was asked.
 */
import type { BranchJson, ConversationJson, MessageJson } from '../api/schema'

/** One request that the page made. */
export interface ApiCall {
  method: string
  path: string
  query: Record<string, string>
  headers: Headers
  body: unknown
}

interface Told {
  status?: number
  body?: unknown
  headers?: Record<string, string>
}

type Answer = (call: ApiCall) => Told | Promise<Told>

const MODELS = [
  {
    name: 'llama3',
    model_id: 'meta.llama3',
    title: 'Llama 3',
    refuses: ['reasoning'],
    features: null,
    price: null,
  },
  {
    name: 'anthropic',
    model_id: 'us.anthropic.claude',
    title: 'Claude',
    refuses: [],
    features: ['tools'],
    price: null,
  },
]

/** Answers requests. `on` sets what a path answers; what is not set is 404. */
export class FakeApi {
  readonly calls: ApiCall[] = []
  readonly #answers = new Map<string, Answer>()

  constructor() {
    this.on('GET /healthz', { version: '1', region: 'us-east-1', upstream: 'emulator', key_required: false })
    this.on('GET /api/models', { models: MODELS })
    this.on('GET /api/conversations', { conversations: [], cursor: null })
  }

  /** Sets the answer of a method and path: its JSON, or what makes it. */
  on(what: string, answer: object | Answer): void {
    this.#answers.set(what, typeof answer === 'function' ? (answer as Answer) : () => ({ body: answer }))
  }

  /** Refuses a method and path. */
  refuse(what: string, status: number, code: string, message = code): void {
    this.on(what, () => ({
      status,
      body: { error: { code, message, retryable: false, retryAfterMs: null } },
    }))
  }

  /** What was asked of a method and path. */
  asked(what: string): ApiCall[] {
    return this.calls.filter((call) => `${call.method} ${call.path}` === what)
  }

  readonly fetch = async (input: RequestInfo | URL, init: RequestInit = {}): Promise<Response> => {
    const url = new URL(String(input))
    const call: ApiCall = {
      method: init.method ?? 'GET',
      path: url.pathname,
      query: Object.fromEntries(url.searchParams),
      headers: new Headers(init.headers),
      body: typeof init.body === 'string' ? JSON.parse(init.body) : undefined,
    }
    this.calls.push(call)
    const answer = this.#answers.get(`${call.method} ${call.path}`)
    if (!answer) return Response.json({ error: { code: 'not_found', message: 'not here' } }, { status: 404 })
    const { status = 200, body, headers = {} } = await answer(call)
    if (status === 304) return new Response(null, { status, headers })
    return Response.json(body ?? null, { status, headers })
  }
}

/** Makes a kept conversation. */
export function conversation(id: string, more: Partial<ConversationJson> = {}): ConversationJson {
  return {
    id,
    title: `about ${id}`,
    titleSource: 'prompt',
    model: 'llama3',
    leafId: null,
    pinnedAt: null,
    createdAt: 1,
    updatedAt: 2,
    deletedAt: null,
    revision: 1,
    ...more,
  }
}

/** Makes a kept message that says a text. */
export function keptMessage(
  id: string,
  parentId: string | null,
  more: Partial<MessageJson> = {},
): MessageJson {
  const role = id.startsWith('u') ? 'user' : 'assistant'
  return {
    id,
    role,
    parts: [{ type: 'text', text: `says ${id}`, state: 'done' }],
    metadata: {},
    state: 'completed',
    parentId,
    siblings: [id],
    createdAt: 1,
    endedAt: 2,
    turnId: role === 'user' ? null : `turn-${id}`,
    failure: null,
    ...more,
  }
}

/** Makes the end of a branch. */
export function branch(id: string, messages: MessageJson[], more: Partial<BranchJson> = {}): BranchJson {
  return { conversation: conversation(id), messages, hasMore: false, ...more }
}
