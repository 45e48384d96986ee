/**
 * A long answer of the kind that models give, the same at every run.
 */

const WORDS =
  `the a stream token server answer of in and to with model response time memory request error buffer client
  latency cache value parser connection result system each every fast reliable simple value **bold** *often* \`code\`
  [documentation](https://example.org/docs) however because therefore`.split(/\s+/)

/** A generator of numbers from 0 to 1, so that every run has the same text. */
function makeRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 4_294_967_296
    return state / 4_294_967_296
  }
}

/** Gives an answer of at least so many characters: prose, lists, code, tables and quotes by turns. */
export function makeAnswer(characters: number): string {
  const random = makeRandom(7)
  const words = (count: number) =>
    Array.from({ length: count }, () => WORDS[Math.floor(random() * WORDS.length)]).join(' ')
  const lines = (count: number, line: (index: number) => string) =>
    Array.from({ length: count }, (_, at) => line(at)).join('\n')
  const makers = [
    () => `## ${words(4)}`,
    () => `${words(45)}.`,
    () => lines(6, () => `- ${words(9)}`),
    () => `${words(30)}.`,
    () =>
      `\`\`\`python\n${lines(12, (at) => `def step_${at}(value):  # ${at}\n    return [value * ${at}, "text"]`)}\n\`\`\``,
    () => lines(4, (at) => `${at + 1}. ${words(8)}\n   - ${words(6)}`),
    () =>
      `| name | value | note |\n|---|--:|---|\n${lines(6, (at) => `| ${words(1)} | ${at} | ${words(5)} |`)}`,
    () => `> ${words(20)}`,
    () => `${words(60)}.`,
  ]
  let text = ''
  for (let at = 0; text.length < characters; at += 1) text += `${makers[at % makers.length]?.() ?? ''}\n\n`
  return text
}
