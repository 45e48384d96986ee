import { act, createEvent, fireEvent, screen, waitFor } from '@testing-library/react'
import { expect, it } from 'vitest'
import { useReadables } from '../common/useReadables'
import { draw } from '../testing/draw'
import { CHAT_ID, FakeStore } from '../testing/fakeStore'
import { makeAnswer, makePrompt } from '../testing/samples'
import { PromptBox } from './PromptBox'

function Box({ store }: { store: FakeStore }) {
  return <PromptBox chats={useReadables([store.chat(CHAT_ID)])} />
}

function drawBox(store = new FakeStore()) {
  const drawn = draw(<Box store={store} />, { store })
  return { ...drawn, box: screen.getByRole<HTMLTextAreaElement>('textbox', { name: 'Prompt' }) }
}

const sent = (store: FakeStore) => store.calls.filter(([name]) => name === 'send').map(([, prompt]) => prompt)

it('sends with Enter, and is empty then, with the focus still in it', async () => {
  const { user, store, box } = drawBox()
  await user.type(box, 'Hello{Enter}')
  expect(sent(store)).toEqual([{ text: 'Hello', files: [] }])
  expect(box.value).toBe('')
  expect(document.activeElement).toBe(box)
})

it('begins a new line with Shift and Enter', async () => {
  const { user, store, box } = drawBox()
  await user.type(box, 'a{Shift>}{Enter}{/Shift}b')
  expect(box.value).toBe('a\nb')
  expect(sent(store)).toEqual([])
})

it('never sends while an input method is at work', async () => {
  const { user, store, box } = drawBox()
  await user.type(box, 'にほん')
  const composing = createEvent.keyDown(box, { key: 'Enter', isComposing: true })
  fireEvent(box, composing)
  fireEvent.keyDown(box, { key: 'Enter', keyCode: 229 })
  expect(sent(store)).toEqual([])
})

it('does not send blanks', async () => {
  const { user, store, box } = drawBox()
  await user.type(box, '  {Enter}')
  expect(sent(store)).toEqual([])
})

it('keeps the prompt where the store did not take it', async () => {
  const store = new FakeStore()
  store.show([makePrompt('p1', 'a'), makeAnswer('a1', 'b', { state: 'running' })])
  const { user, box } = drawBox(store)
  await user.type(box, 'More{Enter}')
  expect(box.value).toBe('More')
})

it('keeps what was typed as the chat’s draft', async () => {
  const { user, store, box } = drawBox()
  await user.type(box, 'half')
  expect(store.draft(CHAT_ID)).toBe('half')
})

it('stops the answer, and says so until it has ended', async () => {
  const store = new FakeStore()
  const answer = makeAnswer('a1', 'b', { state: 'running' })
  store.show([makePrompt('p1', 'a'), answer])
  const { user } = drawBox(store)
  await user.click(screen.getByRole('button', { name: 'Stop' }))
  expect(store.calls).toContainEqual(['stop', CHAT_ID])
  store.message(CHAT_ID, 'a1').set({ ...answer, stopping: true })
  expect(await screen.findByRole('button', { name: 'Stopping…' })).toBeTruthy()
})

it('sends a pasted image along', async () => {
  const { user, store, box } = drawBox()
  const file = new File(['x'], 'shot.png', { type: 'image/png' })
  fireEvent.paste(box, { clipboardData: { files: [file], types: ['Files'] } })
  await screen.findByText('shot.png')
  await user.type(box, '{Enter}')
  expect(sent(store)).toMatchObject([
    {
      text: '',
      files: [{ name: 'shot.png', mediaType: 'image/png', bytes: 1, url: 'data:image/png;base64,eA==' }],
    },
  ])
})

it('says in words why a dropped file can’t be sent', async () => {
  const { box } = drawBox()
  fireEvent.drop(box, { dataTransfer: { types: ['Files'], files: [new File(['x'], 'a.exe')] } })
  expect(await screen.findByText(/^a\.exe was not attached: files of this type/)).toBeTruthy()
})

it('offers no files to a model that takes none', () => {
  const store = new FakeStore()
  store.setModel(CHAT_ID, 'llama')
  drawBox(store)
  expect(screen.queryByRole('button', { name: 'Attach files' })).toBeNull()
})

it('does not send a file to a model that was chosen after it, and does not take it', async () => {
  const { user, store, box } = drawBox()
  fireEvent.drop(box, { dataTransfer: { types: ['Files'], files: [new File(['x'], 'a.png')] } })
  await screen.findByText('a.png')
  act(() => store.setModel(CHAT_ID, 'llama'))
  await user.type(box, 'Look{Enter}')
  expect(await screen.findByText('a.png was not attached: this model takes no images')).toBeTruthy()
  expect(sent(store)).toEqual([])
})

it('removes a file again', async () => {
  const { user, container } = drawBox()
  const input = container.querySelector<HTMLInputElement>('input[type=file]')
  if (input) await user.upload(input, new File(['x'], 'notes.md', { type: '' }))
  await user.click(await screen.findByRole('button', { name: 'Remove notes.md' }))
  await waitFor(() => expect(screen.queryByText('notes.md')).toBeNull())
})

it('names the document that is one too many', async () => {
  const { user, container } = drawBox()
  const input = container.querySelector<HTMLInputElement>('input[type="file"]')
  const names = ['a.md', 'b.md', 'c.md', 'd.md', 'e.md', 'f.md', 'g.png']
  if (input)
    await user.upload(
      input,
      names.map((name) => new File(['x'], name)),
    )
  expect(await screen.findByText(/^f\.md was not attached: no more than 5 documents/)).toBeTruthy()
  expect(await screen.findByRole('button', { name: 'Remove g.png' })).toBeTruthy()
})

it('names the file with which all together would be too much', async () => {
  const { user, container } = drawBox()
  const input = container.querySelector<HTMLInputElement>('input[type="file"]')
  const names = ['a.md', 'b.md', 'c.md', 'd.md', 'e.md']
  const files = names.map((name) =>
    Object.defineProperty(new File(['x'], name), 'size', { value: 4_400_000 }),
  )
  if (input) await user.upload(input, files)
  expect(await screen.findByText(/^e\.md was not attached: all files together may have 18/)).toBeTruthy()
  expect(await screen.findByRole('button', { name: 'Remove d.md' })).toBeTruthy()
})

const MARKDOWN = ['a.md', 'b.md', 'c.md', 'd.md', 'e.md', 'f.md'].map((name) => new File(['x'], name))

function dropFiles(box: HTMLElement, files: readonly File[]) {
  fireEvent.drop(box, { dataTransfer: { types: ['Files'], files } })
}

it('waits with sending until the files are read, says so, and sends them along then', async () => {
  const { user, store, box } = drawBox()
  await user.type(box, 'Look')
  dropFiles(box, MARKDOWN.slice(0, 2))
  fireEvent.keyDown(box, { key: 'Enter' })
  expect(sent(store)).toEqual([])
  expect(screen.getByText('Reading the files…')).toBeTruthy()
  expect(screen.getByRole<HTMLButtonElement>('button', { name: 'Send' }).disabled).toBe(true)
  await waitFor(() => expect(screen.queryByText('Reading the files…')).toBeNull())
  await user.type(box, '{Enter}')
  expect(sent(store)).toMatchObject([{ text: 'Look', files: [{ name: 'a.md' }, { name: 'b.md' }] }])
})

it('holds the limits over files that are dropped while others are being read', async () => {
  const { box } = drawBox()
  dropFiles(box, MARKDOWN.slice(0, 3))
  dropFiles(box, MARKDOWN.slice(3))
  expect(await screen.findByText(/was not attached: no more than 5 documents/)).toBeTruthy()
  await waitFor(() => expect(screen.queryByText('Reading the files…')).toBeNull())
  expect(screen.getAllByRole('button', { name: /^Remove / })).toHaveLength(5)
})

it('names all that were not attached of two drops at once', async () => {
  const { box } = drawBox()
  dropFiles(box, [new File(['x'], 'a.exe'), ...MARKDOWN.slice(0, 1)])
  dropFiles(box, [...MARKDOWN.slice(1, 2), new File(['x'], 'b.exe')])
  expect(await screen.findByText(/^b\.exe was not attached/)).toBeTruthy()
  expect(await screen.findByText(/^a\.exe was not attached/)).toBeTruthy()
})

it('leaves text that is dragged to the browser, and takes files', () => {
  const { box } = drawBox()
  const isLeft = (types: string[]) => fireEvent.drop(box, { dataTransfer: { types, files: [] } })
  expect(isLeft(['text/plain'])).toBe(true)
  expect(isLeft(['Files'])).toBe(false)
})

it('shows what the store puts back into the draft, in a new chat, too', () => {
  const { store, box } = drawBox()
  expect(box.value).toBe('')
  act(() => {
    store.setDraft(CHAT_ID, 'Not taken')
    store.chat(CHAT_ID).patch({ draftRevision: 1 })
  })
  expect(box.value).toBe('Not taken')
})

it('has the focus when the answer ends whose button for stopping had it', async () => {
  const { store, box } = drawBox()
  act(() => store.show([makePrompt('p1', 'Hello'), makeAnswer('a1', '', { state: 'running' })]))
  act(() => screen.getByRole('button', { name: 'Stop' }).focus())
  act(() => store.show([makePrompt('p1', 'Hello'), makeAnswer('a1', '', { state: 'stopped' })]))
  await waitFor(() => expect(document.activeElement).toBe(box))
})
