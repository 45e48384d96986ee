/**
 * What was found, cut at its marks.
 */

/** A stretch of a snippet. */
export interface Stretch {
  at: number
  text: string
  marked: boolean
}

/** Cuts a text at marks, which count Unicode code points and do not overlap. */
export function cutAtMarks(text: string, marks: readonly { start: number; end: number }[]): Stretch[] {
  const letters = [...text]
  const stretches: Stretch[] = []
  let at = 0
  const push = (end: number, marked: boolean) => {
    if (end > at) stretches.push({ at, text: letters.slice(at, end).join(''), marked })
    at = Math.max(at, end)
  }
  for (const { start, end } of [...marks].sort((left, right) => left.start - right.start)) {
    push(start, false)
    push(Math.min(end, letters.length), true)
  }
  push(letters.length, false)
  return stretches
}
