/**
 * A formula: set once the typesetter is loaded, its source before that and where it can't be set.
 */
import { memo, type ReactNode } from 'react'
import { useLazy } from './lazy'
import { typesetter } from './tex'

interface FormulaProps {
  /** TeX. */
  text: string
  /** With its marks, as it was written. */
  source: string
  isDisplay: boolean
  /** Still being written: nothing to set yet. */
  isHalf: boolean
}

/** Draws a formula as MathML, which browsers set with their own fonts and read aloud. */
export const Formula = memo(function Formula({ text, source, isDisplay, isHalf }: FormulaProps): ReactNode {
  const typeset = useLazy(typesetter, true)
  const className = isDisplay ? 'md-math md-math-display' : 'md-math'
  const drawn = isHalf ? null : (typeset?.(text, isDisplay) ?? null)
  if (drawn !== null) {
    return isDisplay ? (
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
      <span className={className} tabIndex={0}>
        {drawn}
      </span>
    ) : (
      <span className={className}>{drawn}</span>
    )
  }
  return <code className={`${className} md-math-source`}>{isHalf ? text : source.trim()}</code>
})
