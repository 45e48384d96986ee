/**
 * What an answer took: tokens, cost, time and pace.
 */
import type { ReactNode } from 'react'
import type { ChatMessage, UsageCounts } from '../../chat/model'
import { type Strings, useLanguage, useStrings } from '../../strings'
import { formatCost, formatCount, formatSeconds, tokensPerSecond } from '../../strings/format'

type Line = [name: string, value: string]

// A fact goes to the next line whole.
const NO_BREAK = '\u00a0'

/** Draws one line with the most telling facts, which opens to all of them. */
export function MessageFacts({ message }: { message: ChatMessage }): ReactNode {
  const words = useStrings()
  const language = useLanguage()
  const { usage, costUsd, ttftMs, durationMs } = message
  if (!usage && durationMs === undefined) return null
  const pace = usage ? tokensPerSecond(usage.outputTokens, ttftMs, durationMs) : null
  const tokens = usage ? usage.inputTokens + usage.outputTokens : 0
  const short = [
    tokens > 0 && words.facts.tokens(formatCount(tokens, language)),
    // A cost of nothing says something only of an answer.
    costUsd !== undefined && (costUsd > 0 || tokens > 0) && formatCost(costUsd, language),
    ttftMs !== undefined && `${words.facts.first} ${formatSeconds(ttftMs, language, words)}`,
    pace !== null && words.facts.perSecond(formatCount(Math.round(pace), language)),
  ].filter((part) => typeof part === 'string')
  return (
    <details className="facts">
      <summary>
        {short.length === 0 ? (
          words.message.details
        ) : (
          <>
            <span className="unseen">{words.message.details}: </span>
            {short.map((part) => part.replaceAll(' ', NO_BREAK)).join(' · ')}
          </>
        )}
      </summary>
      <dl>
        {listFacts(message, words, language).map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </details>
  )
}

function listFacts(message: ChatMessage, words: Strings, language: 'en' | 'de'): Line[] {
  const { facts } = words
  const { usage, costUsd, ttftMs, durationMs, region, stopReason, turnId } = message
  const lines: [string, string | undefined][] = [
    ...(usage ? listUsage(usage, words, language) : []),
    [facts.cost, costUsd === undefined ? facts.costUnknown : formatCost(costUsd, language)],
    [facts.first, ttftMs === undefined ? undefined : formatSeconds(ttftMs, language, words)],
    [facts.duration, durationMs === undefined ? undefined : formatSeconds(durationMs, language, words)],
    [facts.model, message.model],
    [facts.region, region],
    [facts.stopReason, stopReason],
    [facts.turn, turnId],
  ]
  return lines.filter((line): line is Line => line[1] !== undefined)
}

function listUsage(
  usage: UsageCounts,
  { facts }: Strings,
  language: 'en' | 'de',
): [string, string | undefined][] {
  const write = (count: number | undefined) => {
    if (count === undefined) return undefined
    const tokens = facts.tokens(new Intl.NumberFormat(language).format(count))
    return usage.estimated ? `${tokens} (${facts.estimated})` : tokens
  }
  return [
    [facts.input, write(usage.inputTokens)],
    [facts.output, write(usage.outputTokens)],
    [facts.reasoning, write(usage.reasoningTokens || undefined)],
    [facts.cacheRead, write(usage.cacheReadTokens || undefined)],
    [facts.cacheWrite, write(usage.cacheWriteTokens || undefined)],
  ]
}
