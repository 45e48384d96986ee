/**
 * A model's answer as a page.
 */
import { memo, type ReactNode, useMemo, useState } from 'react'
import { drawBlock } from './Blocks'
import { type Block, BlockSplitter } from './splitter'
import './markdown.css'

/** How many finished blocks are compared as one when the answer grows. */
const BLOCKS_IN_GROUP = 16

interface MarkdownProps {
  /** The answer so far. */
  text: string
  /** Whether more may follow: half-written markup is then shown as if it were whole. */
  open: boolean
}

/** Draws an answer. While it grows, only its last blocks are read and drawn again. */
export const Markdown = memo(function Markdown({ text, open }: MarkdownProps): ReactNode {
  const [splitter] = useState(() => new BlockSplitter())
  // Feeding the same text twice gives the same blocks, so it may happen while drawing.
  const blocks = useMemo(() => splitter.feed(text, open), [splitter, text, open])
  return (
    <div className="md">
      {groupsOf(blocks).map((group) => (
        <Group key={group[0]?.key} blocks={group} />
      ))}
    </div>
  )
})

interface GroupProps {
  blocks: readonly Block[]
}

const Group = memo(
  function Group({ blocks }: GroupProps): ReactNode {
    return blocks.map((block) => <Drawn key={block.key} block={block} />)
  },
  ({ blocks: before }, { blocks: after }) =>
    before.length === after.length && before.every((block, index) => block === after[index]),
)

const Drawn = memo(function Drawn({ block }: { block: Block }): ReactNode {
  return drawBlock(block.token, { live: block.live, depth: 0 })
})

function groupsOf(blocks: readonly Block[]): (readonly Block[])[] {
  const groups: (readonly Block[])[] = []
  for (let at = 0; at < blocks.length; at += BLOCKS_IN_GROUP)
    groups.push(blocks.slice(at, at + BLOCKS_IN_GROUP))
  return groups
}
