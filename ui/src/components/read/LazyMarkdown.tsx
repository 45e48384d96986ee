/**
 * Markdown, whose reader is loaded beside the page: the first thing that a person sees needs none.
 */
import type { ReactNode } from 'react'
import { later } from '../common/later'

const Markdown = later(
  async () => (await import('../../markdown/Markdown')).Markdown,
  ({ text }: { text: string; open: boolean }): ReactNode => <p className="plain">{text}</p>,
)

/** Draws an answer; until the reader is there, its words alone. */
export function LazyMarkdown(props: { text: string; open: boolean }): ReactNode {
  return <Markdown {...props} />
}
