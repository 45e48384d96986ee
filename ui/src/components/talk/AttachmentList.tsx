/**
 * The files that will go with the prompt, and those that can't.
 */
import type { ReactNode } from 'react'
import type { Attachment } from '../../chat/model'
import { type Language, type Strings, useLanguage, useStrings } from '../../strings'
import { formatBytes } from '../../strings/format'
import { IconButton } from '../common/IconButton'
import { Icon } from '../common/icons'
import {
  isImage,
  MOST_BYTES,
  MOST_DOCUMENT_BYTES,
  MOST_DOCUMENTS,
  MOST_FILES,
  MOST_IMAGE_BYTES,
} from './fileRules'
import type { RefusedFile } from './useAttachments'

interface AttachmentListProps {
  files: readonly Attachment[]
  refused: readonly RefusedFile[]
  onRemove: (key: string) => void
}

/** Draws the files, and says in words why one was refused. */
export function AttachmentList({ files, refused, onRemove }: AttachmentListProps): ReactNode {
  const words = useStrings()
  const language = useLanguage()
  return (
    <>
      {files.length > 0 && (
        <ul className="attachments" aria-label={words.talk.attached}>
          {files.map((file) => (
            <li key={file.key}>
              {isImage(file.mediaType) ? (
                <img src={file.url} alt="" width="32" height="32" />
              ) : (
                <Icon name="file" />
              )}
              <span className="attachment-name">{file.name}</span>
              <span className="hint">{formatBytes(file.bytes, language)}</span>
              <IconButton
                icon="close"
                label={words.talk.removeFile(file.name)}
                onClick={() => onRemove(file.key)}
              />
            </li>
          ))}
        </ul>
      )}
      <div role="alert">
        {refused.map((file) => (
          <p key={file.key} className="refused-file">
            {words.talk.notTaken(file.name, sayWhy(file, words, language))}
          </p>
        ))}
      </div>
    </>
  )
}

function sayWhy({ why, mediaType }: RefusedFile, { talk }: Strings, language: Language): string {
  switch (why) {
    case 'tooLarge':
      return talk.tooLarge(
        formatBytes(mediaType && isImage(mediaType) ? MOST_IMAGE_BYTES : MOST_DOCUMENT_BYTES, language),
      )
    case 'tooMany':
      return talk.tooMany(MOST_FILES)
    case 'tooManyDocuments':
      return talk.tooManyDocuments(MOST_DOCUMENTS)
    case 'tooMuch':
      return talk.tooMuch(formatBytes(MOST_BYTES, language))
    case 'wrongType':
    case 'noImages':
    case 'noDocuments':
    case 'unreadable':
      return talk[why]
  }
}
