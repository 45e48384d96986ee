/**
 * Names for what this page makes: chats, messages, questions.
 */

const BYTES = 16
const HEXADECIMAL = 16

/** Makes a name that nobody else makes. (`crypto.randomUUID` is missing where the page is not served over TLS.) */
export function makeId(prefix: string): string {
  const bytes = crypto.getRandomValues(new Uint8Array(BYTES))
  const digits = Array.from(bytes, (byte) => byte.toString(HEXADECIMAL).padStart(2, '0'))
  return `${prefix}-${digits.join('')}`
}
