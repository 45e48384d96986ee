import { expect, it } from 'vitest'
import { CLAUDE, LLAMA } from '../testing/samples'
import {
  acceptedEndings,
  findExcess,
  findRefusal,
  findTakes,
  MOST_BYTES,
  MOST_DOCUMENT_BYTES,
  MOST_IMAGE_BYTES,
  mediaTypeOf,
} from './fileRules'

const ALL = { images: true, documents: true }

it('knows a file by the end of its name before what the browser says', () => {
  expect(mediaTypeOf({ name: 'Table.CSV', type: 'application/vnd.ms-excel' })).toBe('text/csv')
})

it('knows a pasted picture by its type', () => {
  expect(mediaTypeOf({ name: 'image', type: 'image/png' })).toBe('image/png')
})

it('does not take what no model reads', () => {
  expect(findRefusal(mediaTypeOf({ name: 'a.exe', type: '' }), 1, ALL)).toBe('wrongType')
})

it('takes an image of the largest size, and not one byte more', () => {
  expect(findRefusal('image/png', MOST_IMAGE_BYTES, ALL)).toBeNull()
  expect(findRefusal('image/png', MOST_IMAGE_BYTES + 1, ALL)).toBe('tooLarge')
})

it('has another limit for documents', () => {
  expect(findRefusal('application/pdf', MOST_DOCUMENT_BYTES, ALL)).toBeNull()
})

it('takes only what all models of the columns take', () => {
  expect(findTakes([CLAUDE, LLAMA])).toEqual({ images: false, documents: false })
})

it('tries everything with a model that is not listed', () => {
  expect(findTakes([undefined])).toEqual(ALL)
})

it('says that a model takes no images', () => {
  expect(findRefusal('image/png', 1, { images: false, documents: true })).toBe('noImages')
})

it('offers in the dialog of the browser what can be sent', () => {
  expect(acceptedEndings({ images: true, documents: false })).toBe('.png,.jpg,.jpeg,.gif,.webp')
})

it('takes twenty files, five documents, and eighteen megabytes', () => {
  const made = (count: number, mediaType: string, bytes = 1) =>
    Array.from({ length: count }, () => ({ mediaType, bytes }))
  expect(findExcess('image/png', 1, made(19, 'image/png'))).toBeNull()
  expect(findExcess('image/png', 1, made(20, 'image/png'))).toBe('tooMany')
  expect(findExcess('text/csv', 1, made(4, 'text/csv'))).toBeNull()
  expect(findExcess('text/csv', 1, made(5, 'text/csv'))).toBe('tooManyDocuments')
  expect(findExcess('image/png', 1, made(5, 'text/csv'))).toBeNull()
  expect(findExcess('image/png', MOST_BYTES - 4, made(4, 'image/png'))).toBeNull()
  expect(findExcess('image/png', MOST_BYTES - 3, made(4, 'image/png'))).toBe('tooMuch')
})
