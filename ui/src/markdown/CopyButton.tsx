/**
 * The button that copies code.
 */
import { type ReactNode, useEffect, useState } from 'react'
import { copyText } from '../components/common/copyText'
import { useWords } from './words'

const SHOWN_MS = 2000

type Outcome = 'none' | 'copied' | 'failed'

/** Copies the text to the clipboard and says for a moment whether that worked, aloud, too. */
export function CopyButton({ text }: { text: string }): ReactNode {
  const words = useWords()
  const [outcome, setOutcome] = useState<Outcome>('none')
  useEffect(() => {
    if (outcome === 'none') return undefined
    const timer = setTimeout(() => setOutcome('none'), SHOWN_MS)
    return () => clearTimeout(timer)
  }, [outcome])
  const copy = async () => setOutcome((await copyText(text)) ? 'copied' : 'failed')
  const said = { none: '', copied: words.copied, failed: words.copyFailed }[outcome]
  return (
    <>
      <span className="md-said" role="status">
        {said}
      </span>
      <button type="button" className="md-button" onClick={copy}>
        {words.copyCode}
      </button>
    </>
  )
}
