/**
 * A model's answer as a page.
 */
import { memo, type ReactNode, useMemo, useState } from 'react'
import { drawBlock } from './Blocks'
import { type Block, BlockSplitter } from './splitter'
import './markdown.css'

/** How many blocks are compared as one when the answer grows, and are laid out only when they are near. */
const BLOCKS_IN_PART = 8

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
      {partsOf(blocks).map((part) => (
        <Part key={part[0]?.key} blocks={part} />
      ))}
    </div>
  )
})

interface PartProps {
  blocks: readonly Block[]
}

const Part = memo(
  function Part({ blocks }: PartProps): ReactNode {
    return (
      <div className="md-part">
        {blocks.map((block) => (
          <Drawn key={block.key} block={block} />
        ))}
      </div>
    )
  },
  ({ blocks: before }, { blocks: after }) =>
    before.length === after.length && before.every((block, index) => block === after[index]),
)

const Drawn = memo(function Drawn({ block }: { block: Block }): ReactNode {
  return drawBlock(block.token, { live: block.live, depth: 0 })
})

/** Cuts a list of blocks into parts; what follows a heading is in the same one. */
function partsOf(blocks: readonly Block[]): (readonly Block[])[] {
  const parts: Block[][] = []
  let part: Block[] = []
  for (const block of blocks) {
    if (part.length === 0) parts.push(part)
    part.push(block)
    if (part.length >= BLOCKS_IN_PART && block.token.type !== 'heading') part = []
  }
  return parts
}
