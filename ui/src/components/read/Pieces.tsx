/**
 * What an answer, or a prompt, is made of.
 */
import { memo, type ReactNode } from 'react'
import type { Piece } from '../../chat/model'
import { Markdown } from '../../markdown/Markdown'
import { useStrings } from '../../strings'
import { Icon } from '../common/icons'

/** Draws the pieces of an answer in order. */
export function AnswerPieces({ pieces }: { pieces: readonly Piece[] }): ReactNode {
  return pieces.map((piece) => <AnswerPiece key={piece.key} piece={piece} />)
}

const AnswerPiece = memo(function AnswerPiece({ piece }: { piece: Piece }): ReactNode {
  switch (piece.kind) {
    case 'text':
      return <Markdown text={piece.text} open={piece.open} />
    case 'reasoning':
      return <Reasoning piece={piece} />
    case 'tool':
      return <ToolCall piece={piece} />
    case 'file':
      return <FilePiece piece={piece} />
    case 'source':
      return <Source piece={piece} />
    case 'seam':
      return <Seam />
    case 'other':
      return <Other piece={piece} />
  }
})

/** Draws the pieces of a prompt: its words as they were typed, and its files. */
export function PromptPieces({ pieces }: { pieces: readonly Piece[] }): ReactNode {
  return (
    <>
      <div className="prompt-files">
        {pieces.map((piece) => (piece.kind === 'file' ? <FilePiece key={piece.key} piece={piece} /> : null))}
      </div>
      {pieces.map((piece) =>
        piece.kind === 'text' ? (
          <p key={piece.key} className="prompt-text" dir="auto">
            {piece.text}
          </p>
        ) : null,
      )}
    </>
  )
}

function Reasoning({ piece }: { piece: Piece & { kind: 'reasoning' } }): ReactNode {
  const { message } = useStrings()
  return (
    <details className="reasoning" data-open={piece.open}>
      <summary>{piece.open ? message.thinking : message.thought}</summary>
      {piece.redacted ? (
        <p className="hint">{message.redacted}</p>
      ) : (
        <Markdown text={piece.text} open={piece.open} />
      )}
    </details>
  )
}

function ToolCall({ piece }: { piece: Piece & { kind: 'tool' } }): ReactNode {
  const { message } = useStrings()
  return (
    <details className="tool" data-state={piece.state}>
      <summary>
        {message.tool(piece.name)}
        {piece.state === 'failed' && <span className="danger"> ({message.toolFailed})</span>}
      </summary>
      <p className="label">{message.toolInput}</p>
      <pre>{piece.input}</pre>
      {piece.output !== undefined && (
        <>
          <p className="label">{message.toolOutput}</p>
          <pre>{piece.output}</pre>
        </>
      )}
    </details>
  )
}

/** Pictures are shown only from inside of the message: nothing is ever fetched for one. */
function FilePiece({ piece }: { piece: Piece & { kind: 'file' } }): ReactNode {
  const { message } = useStrings()
  const name = piece.name || message.file
  if (/^image\/(png|jpeg|gif|webp)$/.test(piece.mediaType) && piece.url.startsWith('data:image/')) {
    return <img className="picture" src={piece.url} alt={message.image(piece.name)} />
  }
  return (
    <span className="file">
      <Icon name="file" />
      {name}
    </span>
  )
}

function Source({ piece }: { piece: Piece & { kind: 'source' } }): ReactNode {
  const { message } = useStrings()
  const title = piece.title || piece.url || message.source
  const isWeb = piece.url !== undefined && /^https?:\/\//i.test(piece.url)
  return (
    <p className="source">
      {message.source}:{' '}
      {isWeb ? (
        <a href={piece.url} target="_blank" rel="noopener noreferrer">
          {title}
        </a>
      ) : (
        title
      )}
    </p>
  )
}

function Seam(): ReactNode {
  return <p className="seam">{useStrings().message.seam}</p>
}

function Other({ piece }: { piece: Piece & { kind: 'other' } }): ReactNode {
  const { message } = useStrings()
  return (
    <details className="tool">
      <summary>{piece.title || message.other}</summary>
      <pre>{JSON.stringify(piece.details, null, 2)}</pre>
    </details>
  )
}
