/**
 * TeX to MathML elements. KaTeX reads the formula; its tree becomes React elements, and never HTML.
 *
 * Only the elements and attributes named here come through, whatever KaTeX may think of. `trust: false` already refuses
 * links, pictures and styles in formulas.
 */
import type katex from 'katex'
import type { KatexOptions } from 'katex'
import { createElement, type ReactNode } from 'react'
import { makeLazy } from './lazy'
import { toMathAlphabet } from './mathAlphabet'

const MAX_CHARACTERS = 8000
const MAX_DEPTH = 100

const ELEMENTS: ReadonlySet<string> = new Set(
  `math semantics annotation mtext mn mo mi mspace mover munder munderover msup msub msubsup mfrac mroot msqrt mtable
   mtr mtd mrow mstyle mpadded mphantom`.split(/\s+/),
)
const ATTRIBUTES: ReadonlySet<string> = new Set(
  `accent accentunder depth display displaystyle encoding fence height largeop linethickness lspace mathbackground
   mathcolor mathsize maxsize minsize rspace scriptlevel separator stretchy voffset width xmlns`.split(/\s+/),
)
/** Browsers took `menclose` out of MathML: these are drawn by the style sheet. */
const ENCLOSURES: Readonly<Record<string, string>> = {
  box: 'md-math-box',
  updiagonalstrike: 'md-math-up',
  downdiagonalstrike: 'md-math-down',
  'updiagonalstrike downdiagonalstrike': 'md-math-up md-math-down',
  horizontalstrike: 'md-math-strike',
}

/** KaTeX gives its tree by a name that its types leave out; the version is pinned, and a test sets formulas with it. */
interface TreeMaker {
  __renderToDomTree(tex: string, options: KatexOptions): unknown
}

/** Sets a formula; null where it can't be read. */
export type Typeset = (tex: string, isDisplay: boolean) => ReactNode | null

/** The typesetter, once it is loaded. */
export const typesetter = makeLazy(async (): Promise<Typeset> => {
  const { default: engine } = await import('katex')
  return (tex, isDisplay) => typesetWith(engine as typeof katex & TreeMaker, tex, isDisplay)
})

function typesetWith(engine: TreeMaker, tex: string, isDisplay: boolean): ReactNode | null {
  if (tex.length > MAX_CHARACTERS) return null
  try {
    const tree: unknown = engine.__renderToDomTree(tex, {
      output: 'mathml',
      displayMode: isDisplay,
      throwOnError: true,
      strict: 'ignore',
      trust: false,
      maxExpand: 500,
      maxSize: 20,
      macros: {},
    })
    return drawNode(tree, 0, { depth: 0 })
  } catch {
    // KaTeX throws at what it does not know, and anything else it throws is no reason to lose the answer.
    return null
  }
}

interface MathNode {
  type?: string
  text?: string
  attributes?: Record<string, string>
  children?: unknown[]
  /** Of a space, which has no type: in em, and the character for it if there is one. */
  width?: unknown
  character?: unknown
}

interface Surroundings {
  depth: number
  alignment?: string | undefined
}

function drawNode(value: unknown, key: number, around: Surroundings): ReactNode {
  const node = asNode(value)
  if (around.depth > MAX_DEPTH) throw new Error(`the formula is nested more than ${MAX_DEPTH} deep`)
  if (node.text !== undefined) return node.text
  const depth = around.depth + 1
  if (node.type === undefined) return drawTypeless(node, key, depth)
  const attributes = node.attributes ?? {}
  if (node.type === 'mi' || node.type === 'mn' || node.type === 'mtext' || node.type === 'mo') {
    return drawLetters(node.type, node, key)
  }
  if (node.type === 'menclose') {
    const className = ENCLOSURES[attributes.notation ?? ''] ?? ''
    return createElement(
      'mrow',
      { key, className },
      drawChildren(node, () => ({ depth })),
    )
  }
  if ((node.type === 'msqrt' || node.type === 'mroot') && !canStretch())
    return drawPlainRoot(node, key, depth)
  if (!ELEMENTS.has(node.type)) return null
  const children = drawChildren(node, (index) => surround(node, index, { ...around, depth }))
  return createElement(
    node.type,
    { key, ...keepAttributes(attributes), ...alignCell(node, around) },
    children,
  )
}

/** A space, or a list of nodes. */
function drawTypeless(node: MathNode, key: number, depth: number): ReactNode {
  if (typeof node.character === 'string') return createElement('mtext', { key }, node.character)
  if (typeof node.width === 'number') return createElement('mspace', { key, width: `${node.width}em` })
  return drawChildren(node, () => ({ depth }))
}

/** Without a font for mathematics browsers leave out the sign of a root: then it is a letter under a line. */
function drawPlainRoot(node: MathNode, key: number, depth: number): ReactNode {
  const children = node.children?.map((child, index) => drawNode(child, index, { depth })) ?? []
  const [base, degree] = node.type === 'mroot' ? children : [children, null]
  return createElement(
    'mrow',
    { key },
    degree && createElement('msup', { key: 'degree' }, createElement('mrow', { key: 0 }), degree),
    createElement('mo', { key: 'sign', stretchy: 'false' }, '√'),
    createElement('mrow', { key: 'base', className: 'md-math-radicand' }, base),
  )
}

let hasMathFont: boolean | null = null

/** Whether brackets grow here, which only a font for mathematics lets them. Measured once; where nothing is laid out, yes. */
function canStretch(): boolean {
  hasMathFont ??= measureBracket() !== 'short'
  return hasMathFont
}

const TALL_PIXELS = 120

function measureBracket(): 'tall' | 'short' | 'unknown' {
  const create = (name: string) => document.createElementNS('http://www.w3.org/1998/Math/MathML', name)
  const frame = document.createElement('div')
  const [math, bracket, space] = [create('math'), create('mo'), create('mspace')]
  frame.className = 'md'
  frame.append(Object.assign(document.createElement('span'), { className: 'md-math md-math-probe' }))
  bracket.textContent = '('
  space.setAttribute('height', `${TALL_PIXELS}px`)
  math.append(bracket, space)
  frame.firstElementChild?.append(math)
  document.body.append(frame)
  const [height, whole] = [bracket.getBoundingClientRect().height, math.getBoundingClientRect().height]
  frame.remove()
  if (whole < TALL_PIXELS / 2) return 'unknown'
  return height < TALL_PIXELS / 2 ? 'short' : 'tall'
}

function drawChildren(node: MathNode, around: (index: number) => Surroundings): ReactNode {
  return node.children?.map((child, index) => drawNode(child, index, around(index)))
}

/** Browsers don't read the alignment of columns from the table: each cell is told its own. */
function surround(node: MathNode, index: number, around: Surroundings): Surroundings {
  if (node.type === 'mtable') return { ...around, alignment: node.attributes?.columnalign }
  if (node.type === 'mtr') return { ...around, alignment: around.alignment?.split(' ')[index] }
  return { depth: around.depth }
}

const ALIGNMENTS: ReadonlySet<string> = new Set(['left', 'right', 'center'])

function alignCell(node: MathNode, around: Surroundings): { className?: string } {
  const isAligned = node.type === 'mtd' && around.alignment !== undefined && ALIGNMENTS.has(around.alignment)
  return isAligned ? { className: `md-${around.alignment}` } : {}
}

function keepAttributes(attributes: Record<string, string>): Record<string, string> {
  const kept = Object.entries(attributes).filter(([name]) => ATTRIBUTES.has(name))
  if (attributes.mathvariant === 'normal') kept.push(['mathvariant', 'normal'])
  return Object.fromEntries(kept)
}

/** The invisible sign between a function and what it is applied to: browsers leave no space there. */
const APPLICATION = '\u2061'

function drawLetters(type: string, node: MathNode, key: number): ReactNode {
  const attributes = node.attributes ?? {}
  const text = node.children?.map((child) => textOf(asNode(child))).join('') ?? ''
  const className = text === APPLICATION ? { className: 'md-math-apply' } : {}
  return createElement(
    type,
    { key, ...keepAttributes(attributes), ...className },
    toMathAlphabet(text, attributes.mathvariant),
  )
}

function textOf({ text, character }: MathNode): string {
  return text ?? (typeof character === 'string' ? character : '')
}

function asNode(value: unknown): MathNode {
  return typeof value === 'object' && value !== null ? value : {}
}
