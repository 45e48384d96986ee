/**
 * A Mermaid diagram, drawn in a frame that can do nothing to the page.
 */
import { type ReactNode, type RefObject, useEffect, useRef, useState } from 'react'
import { CodeBlock } from './CodeBlock'
import { type DrawRequest, type FrameMessage, readFrameMessage } from './mermaidMessages'
import { useIsDark } from './useIsDark'
import { useWords } from './words'

const FRAME_ADDRESS = '/mermaid.html'
const PATIENCE_MS = 20_000
const MAX_HEIGHT = 3000
const MAX_CHARACTERS = 20_000
const MAX_NAME_CHARACTERS = 100

type State = { phase: 'waiting' } | { phase: 'drawn'; height: number } | { phase: 'failed' }

/** Draws a complete diagram, with a switch between it and its source. */
export function Diagram({ source }: { source: string }): ReactNode {
  const words = useWords()
  const [isSource, setIsSource] = useState(false)
  const [failed, setFailed] = useState<string | null>(null)
  const isDark = useIsDark()
  const isTooLong = source.length > MAX_CHARACTERS
  if (failed === source || isTooLong) {
    return (
      <div className="md-diagram">
        <p className="md-note">{words.diagramFailed}</p>
        <CodeBlock text={source} language="mermaid" isClosed={true} />
      </div>
    )
  }
  const toggle = (
    <button type="button" className="md-button" onClick={() => setIsSource(!isSource)}>
      {isSource ? words.showDiagram : words.showSource}
    </button>
  )
  if (isSource) return <CodeBlock text={source} language="mermaid" isClosed={true} extra={toggle} />
  return (
    <figure className="md-diagram">
      <figcaption className="md-code-bar">
        <span className="md-code-language">mermaid</span>
        {toggle}
      </figcaption>
      <Frame
        key={`${isDark}${source}`}
        source={source}
        isDark={isDark}
        title={`${words.diagram}: ${nameOf(source)}`}
        onFailure={() => setFailed(source)}
      />
    </figure>
  )
}

/** What a diagram is called aloud: its beginning tells it from others. */
function nameOf(source: string): string {
  return source.slice(0, MAX_NAME_CHARACTERS).replaceAll(/\s+/g, ' ').trim()
}

interface FrameProps {
  source: string
  isDark: boolean
  title: string
  onFailure: () => void
}

function Frame({ source, isDark, title, onFailure }: FrameProps): ReactNode {
  const frame = useRef<HTMLIFrameElement>(null)
  const state = useDrawing(frame, source, isDark)
  const hasFailed = state.phase === 'failed'
  useEffect(() => {
    if (hasFailed) onFailure()
  }, [hasFailed, onFailure])
  return (
    <iframe
      ref={frame}
      className={state.phase === 'drawn' ? 'md-frame' : 'md-frame md-frame-waiting'}
      src={FRAME_ADDRESS}
      sandbox="allow-scripts"
      referrerPolicy="no-referrer"
      loading="lazy"
      title={title}
      style={state.phase === 'drawn' ? { height: state.height } : {}}
    />
  )
}

/** Hears from the frame how the drawing goes. */
function useDrawing(frame: RefObject<HTMLIFrameElement | null>, source: string, isDark: boolean): State {
  const [state, setState] = useState<State>({ phase: 'waiting' })
  useEffect(() => {
    const element = frame.current
    if (!element) return undefined
    const stop = watchLoading(element, () => setState({ phase: 'failed' }))
    const hear = (event: MessageEvent<unknown>) => {
      // A sandboxed document has no origin to compare: that it is our frame says enough.
      if (!element.contentWindow || event.source !== element.contentWindow) return
      const next = answer(readFrameMessage(event.data), element.contentWindow, {
        kind: 'draw',
        source,
        isDark,
      })
      if (!next) return
      stop()
      setState(next)
    }
    window.addEventListener('message', hear)
    return () => {
      stop()
      window.removeEventListener('message', hear)
    }
  }, [frame, source, isDark])
  return state
}

/** Does what a message asks for; gives the state that it leads to, if any. */
function answer(message: FrameMessage | null, target: Window, request: DrawRequest): State | null {
  switch (message?.kind) {
    case 'ready':
      target.postMessage(request, '*')
      return null
    case 'drawn':
      return { phase: 'drawn', height: Math.min(message.height, MAX_HEIGHT) }
    case 'failed':
      return { phase: 'failed' }
    case undefined:
      return null
  }
}

/** Fails if nothing is heard for long after the frame was loaded, which it is when it comes into view; until stopped. */
function watchLoading(element: HTMLIFrameElement, onFailure: () => void): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined
  const expectWords = () => {
    timer ??= setTimeout(onFailure, PATIENCE_MS)
  }
  element.addEventListener('load', expectWords)
  return () => {
    clearTimeout(timer)
    element.removeEventListener('load', expectWords)
  }
}
