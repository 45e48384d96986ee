/**
 * A page that draws hostile texts as answers that grow, under the real page's policy, and says what came of it.
 *
 * The test drives it from outside, by `window.probe`, and sees there what leaves the browser.
 */
import type { ReactNode } from 'react'
import { flushSync } from 'react-dom'
import { createRoot } from 'react-dom/client'
import { highlighter } from '../src/markdown/highlight'
import type { Lazy } from '../src/markdown/lazy'
import { Markdown } from '../src/markdown/Markdown'
import { type Hostile, LONG, SHORT } from '../src/markdown/testing/payloads'
import { typesetter } from '../src/markdown/tex'
import { HOLDER, Watch } from './watch'

interface Probe {
  /** Cuts every so-many-th short text at every place; gives the number of drawings. */
  cutAnywhere: (remainder: number, divisor: number) => Promise<number>
  /** Lets every so-many-th long text grow in a few steps; gives the number of drawings. */
  growLong: (remainder: number, divisor: number) => Promise<number>
  /** Draws every so-many-th text with a diagram, whole, and leaves them there; gives how many. */
  showDiagrams: (remainder: number, divisor: number) => number
  /** What may not be and was, in words. */
  found: readonly string[]
}

declare global {
  interface Window {
    /** Undefined until it can be used. */
    probe?: Probe
  }
}

/** Drawings that share the page: each is there for a whole frame of the browser, and so few frames do for all. */
const AT_ONCE = 400
const LONG_CUTS = 8
const MARKS_CHARACTERS = 14

interface Cut extends Hostile {
  /** Where the first piece ends. */
  at: number
}

type Stage = 'begun' | 'whole' | 'closed'
const STAGES: readonly Stage[] = ['begun', 'whole', 'closed']

const root = createRoot(document.getElementById('root') ?? document.body)
const watch = new Watch()
let drawings = 0

function draw(nodes: ReactNode, count: number): void {
  flushSync(() => root.render(nodes))
  drawings += count
  watch.look()
}

/** Waits until the browser has laid out, painted, and begun to load what it thinks it must. */
function nextFrame(): Promise<void> {
  return new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve, 0)))
}

function hasDiagram({ text }: Hostile): boolean {
  return text.includes('mermaid')
}

interface HeldProps {
  /** What a finding in it says of where it was. */
  name: string
  text: string
  open: boolean
}

function Held({ name, text, open }: HeldProps): ReactNode {
  return (
    <div className={HOLDER + name.replaceAll(/\W+/g, '-')}>
      <Markdown text={text} open={open} />
    </div>
  )
}

function drawStage(cuts: readonly Cut[], stage: Stage): ReactNode {
  return cuts.map(({ name, text, at }) => (
    <Held
      key={`${name} ${at}`}
      name={`${name} ${at}`}
      text={stage === 'begun' ? text.slice(0, at) : text}
      open={stage !== 'closed'}
    />
  ))
}

function cutsOf({ name, text }: Hostile): Cut[] {
  return Array.from({ length: text.length + 1 }, (_, at) => ({ name, text, at }))
}

/** Whether the cut is near the marks around the code, where it matters how they are read. */
function isNearMarks({ text, at }: Cut): boolean {
  return at < MARKS_CHARACTERS || at > text.length - MARKS_CHARACTERS
}

async function drawCuts(cuts: readonly Cut[], stages: readonly Stage[], isPainted: boolean): Promise<void> {
  for (let from = 0; from < cuts.length; from += AT_ONCE) {
    const part = cuts.slice(from, from + AT_ONCE)
    for (const stage of stages) {
      draw(drawStage(part, stage), part.length)
      if (isPainted) await nextFrame()
    }
    draw(null, 0)
  }
  await nextFrame()
}

async function cutAnywhere(remainder: number, divisor: number): Promise<number> {
  drawings = 0
  const texts = SHORT.filter((_, index) => index % divisor === remainder)
  await drawCuts(texts.filter((one) => !hasDiagram(one)).flatMap(cutsOf), STAGES, true)
  // A diagram's frame takes long to make, and a second to load: few are made, and none is waited for.
  const diagrams = texts.filter(hasDiagram).flatMap(cutsOf)
  await drawCuts(diagrams, ['begun'], true)
  await drawCuts(diagrams.filter(isNearMarks), STAGES, false)
  return drawings
}

/** Gives places in a text, in order, the same at every run. */
function choosePlaces(length: number): number[] {
  let state = length
  const places = Array.from({ length: LONG_CUTS }, () => {
    state = (state * 1_664_525 + 1_013_904_223) % 4_294_967_296
    return Math.floor((state / 4_294_967_296) * length)
  })
  return places.sort((one, other) => one - other)
}

async function growLong(remainder: number, divisor: number): Promise<number> {
  drawings = 0
  for (const { name, text } of LONG.filter((_, index) => index % divisor === remainder)) {
    for (const at of [...choosePlaces(text.length), text.length]) {
      draw(<Held key={name} name={name} text={text.slice(0, at)} open={true} />, 1)
      await nextFrame()
    }
    draw(<Held key={name} name={name} text={text} open={false} />, 1)
    await nextFrame()
  }
  draw(null, 0)
  return drawings
}

function showDiagrams(remainder: number, divisor: number): number {
  const texts = SHORT.filter(hasDiagram).filter((_, index) => index % divisor === remainder)
  draw(
    texts.map(({ name, text }) => <Held key={name} name={name} text={text} open={false} />),
    texts.length,
  )
  return texts.length
}

function loaded<T>(lazy: Lazy<T>): Promise<void> {
  return new Promise((resolve) => {
    lazy.subscribe(() => lazy.get() !== null && resolve())
    lazy.load()
  })
}

// What loads later would change the document, too.
await Promise.all([loaded(highlighter), loaded(typesetter)])
watch.start()
window.probe = { cutAnywhere, growLong, showDiagrams, found: watch.found }
