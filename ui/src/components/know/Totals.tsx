/**
 * What a conversation took so far.
 */
import type { ReactNode } from 'react'
import type { Chat } from '../../chat/model'
import { useLanguage, useStrings } from '../../strings'
import { formatCost, formatCount } from '../../strings/format'

/** Draws the sums; nothing before there are any. */
export function Totals({ totals }: { totals: Chat['totals'] }): ReactNode {
  const { facts } = useStrings()
  const language = useLanguage()
  const tokens = totals.inputTokens + totals.outputTokens
  if (tokens === 0) return null
  const count = formatCount(tokens, language)
  return (
    <p className="totals" title={facts.totalLabel}>
      <span className="unseen">{facts.totalLabel}: </span>
      {totals.costUsd === null
        ? facts.totalTokens(count)
        : facts.total(count, formatCost(totals.costUsd, language))}
    </p>
  )
}
