/**
 * The files of the prompt that is being written.
 */
import { useRef, useState } from 'react'
import type { Attachment } from '../../chat/model'
import { findExcess, findRefusal, mediaTypeOf, type Refusal, type Takes } from './fileRules'

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
  /** Whether files are on their way: they would be missing in what is sent now. */
  reading: boolean
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
  const [reading, setReading] = useState(0)
  // What is there now, and not when this was drawn: files may come while others are being read.
  const held = useRef(files)
  const hold = (next: readonly Attachment[]) => {
    held.current = next
    setFiles(next)
  }
  const refuse = (file: RefusedFile) => setRefused((before) => [...before, file])
  const judge: Judge = (mediaType, bytes) =>
    findRefusal(mediaType, bytes, takes) ?? findExcess(mediaType, bytes, held.current)
  const addOne = async (file: File) => {
    const taken = await take(file, judge)
    if ('why' in taken) return refuse(taken)
    // Others may have come while this one was read.
    const why = judge(taken.mediaType, taken.bytes)
    if (why === null) hold([...held.current, taken])
    else refuse({ ...taken, why })
  }
  const add = async (wanted: readonly File[]) => {
    if (reading === 0) setRefused([])
    setReading((before) => before + 1)
    for (const file of wanted) await addOne(file)
    setReading((before) => before - 1)
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
    reading: reading > 0,
    add,
    check,
    remove: (key) => hold(held.current.filter((file) => file.key !== key)),
    clear: () => {
      hold([])
      setRefused([])
    },
  }
}

type Judge = (mediaType: string | null, bytes: number) => Refusal | null

/** Reads a file, if it can be sent. */
async function take(file: File, judge: Judge): Promise<Attachment | RefusedFile> {
  const { name, size } = file
  const key = `f${++lastKey}`
  const mediaType = mediaTypeOf(file)
  const why = judge(mediaType, size)
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
