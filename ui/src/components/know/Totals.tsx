/**
 * What a conversation took so far.
 */
import type { ReactNode } from 'react'
import type { Chat } from '../../chat/model'
import { useLanguage, useStrings } from '../../strings'
import { formatCost, formatCount } from '../../strings/format'

/** Draws the sums; nothing before there are any. Where older messages are not loaded, it says that there is more. */
export function Totals({ totals, hasMore }: Pick<Chat, 'totals' | 'hasMore'>): ReactNode {
  const { facts } = useStrings()
  const language = useLanguage()
  const tokens = totals.inputTokens + totals.outputTokens
  if (tokens === 0) return null
  const count = formatCount(tokens, language)
  const text =
    totals.costUsd === null
      ? facts.totalTokens(count)
      : facts.total(count, formatCost(totals.costUsd, language))
  return (
    <p className="totals" title={facts.totalLabel}>
      <span className="unseen">{facts.totalLabel}: </span>
      {hasMore ? facts.moreThan(text) : text}
    </p>
  )
}
