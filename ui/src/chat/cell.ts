/**
 * Values that tell when they changed.
 */
import type { Readable } from './model'

/** Holds one value. `set` tells those who subscribed, unless it is the value that is there. */
export class Cell<T> implements Readable<T> {
  #value: T
  readonly #listeners = new Set<() => void>()

  constructor(value: T) {
    this.#value = value
  }

  // Fields, not methods: React is given them without the object that they belong to.
  readonly get = (): T => this.#value

  readonly subscribe = (onChange: () => void): (() => void) => {
    this.#listeners.add(onChange)
    return () => {
      this.#listeners.delete(onChange)
    }
  }

  /** Puts another value in. */
  set(value: T): void {
    if (Object.is(value, this.#value)) return
    this.#value = value
    for (const listener of [...this.#listeners]) listener()
  }

  /** Changes some fields of a value that is an object. */
  patch(changes: Partial<T>): void {
    this.set({ ...this.#value, ...changes })
  }
}
