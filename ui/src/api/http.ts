/**
 * Requests to the server's JSON API. Whatever goes wrong becomes an `ApiFailure` with one sentence.
 */
import { isFields } from '../protocol/frames'

/** Says why a request failed. `code` is the server's, or `unreachable`; `message` is one sentence. */
export class ApiFailure extends Error {
  readonly code: string
  readonly status: number

  constructor(code: string, message: string, status: number, options?: ErrorOptions) {
    super(message, options)
    this.name = 'ApiFailure'
    this.code = code
    this.status = status
  }
}

/** What requests are made with. `key` is asked for each time. */
export interface HttpOptions {
  baseUrl: string
  fetch: typeof fetch
  key(): string | null
}

/**
 * One request. `etag` asks whether that copy is still true; `timeoutMs` is how long nothing may come, before the answer
 * begins and within it: a long one on a slow line is no failure.
 */
export interface HttpCall {
  method?: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  body?: unknown
  etag?: string | null
  timeoutMs?: number
}

const TIMEOUT_MS = 30_000

/** Makes requests to one server. */
export class Http {
  readonly #options: HttpOptions

  constructor(options: HttpOptions) {
    this.#options = options
  }

  /** Asks, and gives the answer if it is one (2xx, or 304 where there was an ETag). Throws `ApiFailure`. */
  async ask(path: string, call: HttpCall = {}): Promise<Response> {
    const { baseUrl, fetch, key } = this.#options
    const headers: Record<string, string> = { accept: 'application/json' }
    const known = key()
    if (known !== null) headers.authorization = `Bearer ${known}`
    if (call.body !== undefined) headers['content-type'] = 'application/json'
    if (call.etag) headers['if-none-match'] = call.etag
    const patience = new Patience(call.timeoutMs ?? TIMEOUT_MS)
    let answer: Response
    try {
      answer = await fetch(new URL(path, baseUrl), {
        method: call.method ?? 'GET',
        headers,
        // The browser's own cache would answer a conditional request with 200 and its copy.
        cache: 'no-store',
        signal: patience.signal,
        ...(call.body === undefined ? {} : { body: toText(call.body) }),
      })
    } catch (error) {
      patience.end()
      throw unreachable(error)
    }
    answer = patience.watch(answer)
    if (answer.ok || answer.status === 304) return answer
    throw await toFailure(answer)
  }

  /** Asks for JSON. The server's own schema says what comes (`schema.ts`). Throws `ApiFailure`. */
  async json<Answer>(path: string, call: HttpCall = {}): Promise<Answer> {
    return readJson<Answer>(await this.ask(path, call))
  }
}

/** Ends a request when nothing has come for too long. */
class Patience {
  readonly #control = new AbortController()
  readonly #timeoutMs: number
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs
    this.#renew()
  }

  get signal(): AbortSignal {
    return this.#control.signal
  }

  /** Waits no longer. */
  end(): void {
    clearTimeout(this.#timer)
  }

  /** Gives an answer whose body may take its time, but not fall silent. */
  watch(answer: Response): Response {
    // With these codes there is no body, and none can be given.
    if (!answer.body || [204, 205, 304].includes(answer.status)) {
      this.end()
      return answer
    }
    this.#renew()
    const body = answer.body.pipeThrough(
      new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
        transform: (bytes, to) => {
          this.#renew()
          to.enqueue(bytes)
        },
        flush: () => this.end(),
      }),
    )
    return new Response(body, answer)
  }

  #renew(): void {
    this.end()
    this.#timer = setTimeout(() => this.#control.abort(), this.#timeoutMs)
  }
}

function unreachable(cause: unknown): ApiFailure {
  return new ApiFailure('unreachable', 'the server could not be reached', 0, { cause })
}

/** Reads an answer's JSON. Throws `ApiFailure` where it breaks off, or is none: something in between answered. */
export async function readJson<Answer>(answer: Response): Promise<Answer> {
  try {
    return (await answer.json()) as Answer
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw unreachable(error)
    throw new ApiFailure('unreachable', 'the answer is not from this server', answer.status, { cause: error })
  }
}

function toText(body: unknown): string {
  return typeof body === 'string' ? body : JSON.stringify(body)
}

async function toFailure(answer: Response): Promise<ApiFailure> {
  const body: unknown = await answer.json().catch(() => null)
  const error = isFields(body) && isFields(body.error) ? body.error : {}
  const code = typeof error.code === 'string' ? error.code : 'unreachable'
  const message = typeof error.message === 'string' ? error.message : `the server answered ${answer.status}`
  return new ApiFailure(code, message, answer.status)
}
