/**
 * Which files can be sent to a model: their kinds, their sizes, and how many.
 */
import type { ModelInfo } from '../../chat/model'

/** The most files in one prompt. */
export const MOST_FILES = 20
/** The most documents among them. */
export const MOST_DOCUMENTS = 5
/** The largest image, in bytes. */
export const MOST_IMAGE_BYTES = 3_750_000
/** The largest document, in bytes. */
export const MOST_DOCUMENT_BYTES = 4_500_000
/** The most that all files of a prompt may have, in bytes: as text they grow by a third, and Bedrock takes 25 MB. */
export const MOST_BYTES = 18_000_000

const TYPES: Readonly<Record<string, string>> = {
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  gif: 'image/gif',
  webp: 'image/webp',
  pdf: 'application/pdf',
  csv: 'text/csv',
  doc: 'application/msword',
  docx: 'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
  xls: 'application/vnd.ms-excel',
  xlsx: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
  html: 'text/html',
  htm: 'text/html',
  txt: 'text/plain',
  md: 'text/markdown',
}

/** Why a file can't be sent. */
export type Refusal =
  | 'wrongType'
  | 'tooLarge'
  | 'tooMany'
  | 'tooManyDocuments'
  | 'tooMuch'
  | 'noImages'
  | 'noDocuments'
  | 'unreadable'

/** What a model, or several at once, take besides text. */
export interface Takes {
  images: boolean
  documents: boolean
}

/**
 * Gives the media type of a file by the end of its name, or by what the browser says; null for one that no model takes.
 * The name comes first: browsers call Markdown nothing, and a CSV file a spreadsheet.
 */
export function mediaTypeOf(file: { name: string; type: string }): string | null {
  const ending = file.name.toLowerCase().split('.').pop() ?? ''
  const byName = TYPES[ending]
  if (byName) return byName
  const said = file.type.split(';')[0] ?? ''
  return Object.values(TYPES).includes(said) ? said : null
}

/** Says what all of some models take; of one that is not listed nothing is known, so everything is tried. */
export function findTakes(models: readonly (ModelInfo | undefined)[]): Takes {
  const takes = (modality: string, field: string) =>
    models.every(
      (model) => !model || (model.inputModalities.includes(modality) && !model.refuses.includes(field)),
    )
  return { images: takes('image', 'images'), documents: takes('document', 'documents') }
}

/** Says why a file of a media type and a size can't be sent; null if it can. */
export function findRefusal(mediaType: string | null, bytes: number, takes: Takes): Refusal | null {
  if (mediaType === null) return 'wrongType'
  const takesIt = isImage(mediaType) ? takes.images : takes.documents
  if (!takesIt) return isImage(mediaType) ? 'noImages' : 'noDocuments'
  return bytes > (isImage(mediaType) ? MOST_IMAGE_BYTES : MOST_DOCUMENT_BYTES) ? 'tooLarge' : null
}

/** Says why a file can't go along with those that were taken before it; null if it can. */
export function findExcess(
  mediaType: string | null,
  bytes: number,
  before: readonly { mediaType: string; bytes: number }[],
): Refusal | null {
  const documents = before.filter((file) => !isImage(file.mediaType))
  if (before.length >= MOST_FILES) return 'tooMany'
  if (mediaType !== null && !isImage(mediaType) && documents.length >= MOST_DOCUMENTS)
    return 'tooManyDocuments'
  return before.reduce((sum, file) => sum + file.bytes, bytes) > MOST_BYTES ? 'tooMuch' : null
}

/** Tells whether a file is an image; what is none is a document. */
export function isImage(mediaType: string): boolean {
  return mediaType.startsWith('image/')
}

/** Lists the endings that the browser's own dialog offers. */
export function acceptedEndings(takes: Takes): string {
  return Object.entries(TYPES)
    .filter(([, type]) => (isImage(type) ? takes.images : takes.documents))
    .map(([ending]) => `.${ending}`)
    .join(',')
}
