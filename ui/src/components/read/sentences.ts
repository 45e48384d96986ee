/**
 * Where sentences end, in many scripts.
 */
const SENTENCES = /^[\s\S]*(?:[.!?…:](?=\s)|[。！？؟।\n])/u

/** Gives the whole sentences at the beginning of a text that still grows; "" if there is none yet. */
export function cutSentences(text: string): string {
  return SENTENCES.exec(text)?.[0] ?? ''
}
