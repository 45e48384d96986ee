/**
 * How long to wait before the next attempt to connect: exponential growth with full jitter, so that the pages of a
 * server that came back do not all come at once.
 */

const FIRST_MS = 500
const MOST_MS = 30_000

/** Gives one waiting time after another; `reset` begins anew after a connection that held. */
export class Backoff {
  #attempts = 0

  /** Gives the next waiting time in milliseconds: anything from none to a bound that doubles, up to 30 s. */
  next(): number {
    const bound = Math.min(MOST_MS, FIRST_MS * 2 ** this.#attempts)
    this.#attempts += 1
    return Math.round(Math.random() * bound)
  }

  /** Begins with short waits again. */
  reset(): void {
    this.#attempts = 0
  }
}
