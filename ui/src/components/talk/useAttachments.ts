/**
 * The files of the prompt that is being written.
 */
import { useState } from 'react'
import type { Attachment } from '../../chat/model'
import { findExcess, findRefusal, MOST_FILES, mediaTypeOf, type Refusal, type Takes } from './fileRules'

/** A file that was not taken, and why. */
export interface RefusedFile {
  key: string
  name: string
  mediaType: string | null
  why: Refusal
}

interface Attachments {
  files: readonly Attachment[]
  refused: readonly RefusedFile[]
  /** Takes what can be taken, and remembers what can't, until the next time. */
  add: (files: readonly File[]) => Promise<void>
  remove: (key: string) => void
  clear: () => void
  /** Tells whether all files can go to the models that are chosen by now; says of the others why not. */
  check: () => boolean
}

let lastKey = 0

/** Keeps the files, within the limits of what the models take. */
export function useAttachments(takes: Takes): Attachments {
  const [files, setFiles] = useState<readonly Attachment[]>([])
  const [refused, setRefused] = useState<readonly RefusedFile[]>([])
  const add = async (wanted: readonly File[]) => {
    const taken: Attachment[] = []
    const left: RefusedFile[] = []
    for (const file of wanted) {
      const result = await take(file, takes, [...files, ...taken])
      if ('why' in result) left.push(result)
      else taken.push(result)
    }
    setFiles((before) => [...before, ...taken].slice(0, MOST_FILES))
    setRefused(left)
  }
  const check = () => {
    const left = files.flatMap(({ key, name, mediaType, bytes }) => {
      const why = findRefusal(mediaType, bytes, takes)
      return why === null ? [] : [{ key, name, mediaType, why }]
    })
    setRefused(left)
    return left.length === 0
  }
  return {
    files,
    refused,
    add,
    check,
    remove: (key) => setFiles((before) => before.filter((file) => file.key !== key)),
    clear: () => {
      setFiles([])
      setRefused([])
    },
  }
}

async function take(
  file: File,
  takes: Takes,
  before: readonly Attachment[],
): Promise<Attachment | RefusedFile> {
  const { name, size } = file
  const key = `f${++lastKey}`
  const mediaType = mediaTypeOf(file)
  const why = findRefusal(mediaType, size, takes) ?? findExcess(mediaType, size, before)
  if (why !== null || mediaType === null) return { key, name, mediaType, why: why ?? 'wrongType' }
  const url = await readUrl(file, mediaType)
  return url === null
    ? { key, name, mediaType, why: 'unreadable' }
    : { key, name, mediaType, bytes: size, url }
}

/** A folder, or a file that is gone by now, can't be read. */
function readUrl(file: File, mediaType: string): Promise<string | null> {
  return new Promise((resolve) => {
    const reader = new FileReader()
    reader.onerror = () => resolve(null)
    reader.onload = () => {
      const url = String(reader.result)
      resolve(`data:${mediaType};base64,${url.slice(url.indexOf(',') + 1)}`)
    }
    reader.readAsDataURL(file)
  })
}
