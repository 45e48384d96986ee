/**
 * Code that is still being written. Its end is all that can change, so it grows without being read again.
 */
import type { Tokens } from 'marked'
import type { Token } from './tokens'

const OPENING = /^(`{3,}|~{3,})([^\n]*)\n/
const CLOSING = /^ {0,3}(`{3,}|~{3,})[ \t]*$/
const PARTLY_CLOSING = /(?:^|\n) {0,3}(?:`+|~+)$/

/** A fence that was not closed yet. */
export interface OpenFence {
  token: Tokens.Code
  /** Where the block begins in the text. */
  start: number
  bodyStart: number
  marks: string
  /** The beginning of the last line that was looked at. */
  lineStart: number
}

/** Finds out whether the block is an unclosed fence at the left margin that reaches to the end of the text; else null. */
export function openFence(token: Token, start: number, text: string): OpenFence | null {
  if (token.type !== 'code' || token.codeBlockStyle === 'indented' || isClosedFence(token)) return null
  const opening = OPENING.exec(text.slice(start, start + 1000))
  if (!opening?.[1]) return null
  const bodyStart = start + opening[0].length
  return extendFence({ token, start, bodyStart, marks: opening[1], lineStart: bodyStart }, text)
}

/** Gives the fence with the text as it is now; null when it was closed. */
export function extendFence(fence: OpenFence, text: string): OpenFence | null {
  let lineStart = fence.lineStart
  for (;;) {
    const lineEnd = text.indexOf('\n', lineStart)
    if (closes(text.slice(lineStart, lineEnd < 0 ? text.length : lineEnd), fence.marks)) return null
    if (lineEnd < 0) break
    lineStart = lineEnd + 1
  }
  const body = text.slice(fence.bodyStart)
  const held = PARTLY_CLOSING.exec(body.slice(-200))?.[0].length ?? (body.endsWith('\n') ? 1 : 0)
  const token = { ...fence.token, raw: text.slice(fence.start), text: body.slice(0, body.length - held) }
  return { ...fence, token, lineStart }
}

/** Says whether a fenced block has its end; an indented one always has. */
export function isClosedFence(token: Tokens.Code): boolean {
  if (token.codeBlockStyle === 'indented') return true
  const raw = token.raw.trimEnd()
  const marks = /^ {0,3}(`{3,}|~{3,})/.exec(raw)?.[1]
  const lastLine = raw.slice(raw.lastIndexOf('\n') + 1)
  return marks !== undefined && raw.includes('\n') && closes(lastLine, marks)
}

function closes(line: string, marks: string): boolean {
  return line.length < 1000 && (CLOSING.exec(line)?.[1]?.startsWith(marks) ?? false)
}
