/**
 * Numbers, amounts and days as people read them.
 */
import type { Language, Strings } from '.'

/** Writes a count, short: 950, 12.3K, 1M. */
export function formatCount(count: number, language: Language): string {
  return new Intl.NumberFormat(language, {
    notation: count < 10_000 ? 'standard' : 'compact',
    maximumFractionDigits: 1,
  }).format(count)
}

/** Writes an amount of dollars, with as many digits as a small one needs. */
export function formatCost(dollars: number, language: Language): string {
  const digits =
    dollars !== 0 && dollars < 0.01 ? { maximumSignificantDigits: 2 } : { maximumFractionDigits: 2 }
  return new Intl.NumberFormat(language, {
    style: 'currency',
    currency: 'USD',
    minimumFractionDigits: 2,
    ...digits,
  }).format(dollars)
}

/** Writes a time in seconds, with one digit below ten. */
export function formatSeconds(milliseconds: number, language: Language, words: Strings): string {
  const seconds = milliseconds / 1000
  return words.facts.seconds(
    new Intl.NumberFormat(language, { maximumFractionDigits: seconds < 10 ? 1 : 0 }).format(seconds),
  )
}

/** Writes a size in megabytes, a small one in kilobytes. */
export function formatBytes(bytes: number, language: Language): string {
  const [size, unit] = bytes < 100_000 ? [Math.ceil(bytes / 1000), 'kB'] : [bytes / 1_000_000, 'MB']
  return `${new Intl.NumberFormat(language, { maximumFractionDigits: 2 }).format(size)} ${unit}`
}

/** Writes how quickly tokens came, from the first to the last; null where it can't be said. */
export function tokensPerSecond(
  tokens: number,
  ttftMs: number | undefined,
  durationMs: number | undefined,
): number | null {
  if (durationMs === undefined || tokens < 2) return null
  const streamed = durationMs - (ttftMs ?? 0)
  return streamed > 0 ? (tokens * 1000) / streamed : null
}

/** The part of a list that a time belongs to. */
export type Age = 'today' | 'yesterday' | 'week' | 'older'

/** Says how long ago a time was, by the days of the person's own calendar. */
export function ageOf(time: number, now: number): Age {
  const midnight = new Date(now).setHours(0, 0, 0, 0)
  const day = 86_400_000
  if (time >= midnight) return 'today'
  if (time >= midnight - day) return 'yesterday'
  return time >= midnight - 6 * day ? 'week' : 'older'
}
