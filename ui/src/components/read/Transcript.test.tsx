import { act, createEvent, fireEvent, screen, waitFor } from '@testing-library/react'
import { beforeAll, expect, it, vi } from 'vitest'
import type { ChatMessage } from '../../chat/model'
import { useReadable } from '../../chat/react'
import { loadLaterParts } from '../common/later'
import { draw } from '../testing/draw'
import { CHAT_ID, FakeStore } from '../testing/fakeStore'
import { makeAnswer, makePrompt, makeText } from '../testing/samples'
import { Transcript } from './Transcript'

beforeAll(loadLaterParts)

function Shown({ store }: { store: FakeStore }) {
  return <Transcript chat={useReadable(store.chat(CHAT_ID))} />
}

function drawMessages(...messages: ChatMessage[]) {
  const store = new FakeStore()
  store.show(messages)
  return draw(<Shown store={store} />, { store })
}

const answer = () => screen.getByRole('article', { name: 'Claude Nine' })

it('greets where nothing was said yet', () => {
  const store = new FakeStore()
  draw(<Shown store={store} />, { store })
  expect(screen.getByText('What would you like to know?')).toBeTruthy()
})

it('shows the prompt as it was typed, and not as markup', () => {
  drawMessages(makePrompt('p1', '**not** bold'))
  expect(screen.getByText('**not** bold')).toBeTruthy()
})

it('draws an answer as Markdown', async () => {
  drawMessages(makePrompt('p1', 'a'), makeAnswer('a1', 'so **bold**'))
  expect((await screen.findByText('bold')).tagName).toBe('STRONG')
})

it('says that an answer is under way, and offers nothing for it yet', () => {
  drawMessages(makePrompt('p1', 'a'), makeAnswer('a1', '', { state: 'running' }))
  expect(answer().getAttribute('aria-busy')).toBe('true')
  expect(screen.getByText('Waiting for the first words…')).toBeTruthy()
  expect(screen.queryByRole('button', { name: 'Answer again' })).toBeNull()
})

it('says the place in the queue', () => {
  const queue = { position: 3, etaMs: 4000 }
  drawMessages(makePrompt('p1', 'a'), makeAnswer('a1', '', { state: 'queued', queue }))
  expect(screen.getByText('Waiting in the queue, at place 3, about 4 s')).toBeTruthy()
})

it('folds reasoning, and says that it goes on', () => {
  const pieces = [{ kind: 'reasoning', key: 'r', text: 'hm', open: true, redacted: false }] as const
  drawMessages(makePrompt('p1', 'a'), makeAnswer('a1', '', { state: 'running', pieces }))
  expect(screen.getByText('Thinking…').closest('details')?.open).toBe(false)
})

it('folds the calls of tools, with what went in and what came out', () => {
  const pieces = [
    {
      kind: 'tool',
      key: 'c',
      name: 'search',
      callId: '1',
      input: '{"q":1}',
      output: 'none',
      state: 'failed',
    },
  ] as const
  drawMessages(makePrompt('p1', 'a'), makeAnswer('a1', '', { pieces }))
  const call = screen.getByText(/Calls search/).closest('details')
  expect(call?.open).toBe(false)
  expect(call?.textContent).toBe('Calls search (failed)Input{"q":1}Resultnone')
})

it('links a source only where it is on the web', () => {
  const pieces = [
    { kind: 'source', key: 'a', title: 'Good', url: 'https://example.org/' },
    { kind: 'source', key: 'b', title: 'Bad', url: 'javascript:alert(1)' },
  ] as const
  drawMessages(makePrompt('p1', 'a'), makeAnswer('a1', '', { pieces }))
  expect(screen.getAllByRole('link').map((link) => link.textContent)).toEqual(['Good'])
})

it('never fetches a picture', () => {
  const pieces = [
    { kind: 'file', key: 'f', mediaType: 'image/png', name: 'spy.png', url: 'https://example.org/x' },
  ] as const
  const { container } = drawMessages(makePrompt('p1', 'a', { pieces }))
  expect(container.querySelector('.prompt img')).toBeNull()
  expect(screen.getByText('spy.png')).toBeTruthy()
})

it('asks again with a prompt that was edited', async () => {
  const { user, store } = drawMessages(makePrompt('p1', 'old'), makeAnswer('a1', 'b'))
  await user.click(screen.getByRole('button', { name: 'Edit' }))
  await user.clear(screen.getByLabelText('Edit the prompt'))
  await user.type(screen.getByLabelText('Edit the prompt'), 'new{Enter}')
  expect(store.calls).toContainEqual(['editAndResend', CHAT_ID, 'p1', { text: 'new', files: [] }])
})

it('leaves the prompt as it was when the editing is given up', async () => {
  const { user, store } = drawMessages(makePrompt('p1', 'old'), makeAnswer('a1', 'b'))
  await user.click(screen.getByRole('button', { name: 'Edit' }))
  await user.keyboard('x{Escape}')
  expect(screen.getByText('old')).toBeTruthy()
  expect(store.calls).toEqual([])
})

it('keeps the editor with its words where the store did not take them, and says why', async () => {
  const { user, store } = drawMessages(makePrompt('p1', 'old'), makeAnswer('a1', 'b'))
  await user.click(screen.getByRole('button', { name: 'Edit' }))
  await user.keyboard('er')
  act(() => store.chat(CHAT_ID).patch({ runningId: 'a9' }))
  expect(screen.getByText(/^Wait for the answer/)).toBeTruthy()
  await user.keyboard('{Enter}')
  await user.click(screen.getByRole('button', { name: 'Send' }))
  expect(screen.getByLabelText<HTMLTextAreaElement>('Edit the prompt').value).toBe('older')
  act(() => store.chat(CHAT_ID).patch({ runningId: null }))
  await user.type(screen.getByLabelText('Edit the prompt'), '{Enter}')
  expect(screen.queryByLabelText('Edit the prompt')).toBeNull()
})

it('does not send an edited prompt that is blank', async () => {
  const { user, store } = drawMessages(makePrompt('p1', 'old'), makeAnswer('a1', 'b'))
  await user.click(screen.getByRole('button', { name: 'Edit' }))
  await user.clear(screen.getByLabelText('Edit the prompt'))
  await user.keyboard('{Enter}')
  expect(screen.getByLabelText('Edit the prompt')).toBeTruthy()
  expect(store.calls).toEqual([])
})

it('goes on editing when Escape takes back a word of an input method', async () => {
  const { user } = drawMessages(makePrompt('p1', 'old'), makeAnswer('a1', 'b'))
  await user.click(screen.getByRole('button', { name: 'Edit' }))
  const editor = screen.getByLabelText('Edit the prompt')
  fireEvent(editor, createEvent.keyDown(editor, { key: 'Escape', isComposing: true }))
  fireEvent.keyDown(editor, { key: 'Escape', keyCode: 229 })
  expect(screen.getByLabelText('Edit the prompt')).toBeTruthy()
})

it('says that copying failed where the browser has no clipboard', async () => {
  const { user } = drawMessages(makePrompt('p1', 'a'))
  vi.spyOn(navigator, 'clipboard', 'get').mockReturnValue(undefined as unknown as Clipboard)
  await user.click(screen.getByRole('button', { name: 'Copy' }))
  expect(await screen.findByRole('button', { name: 'Copying failed' })).toBeTruthy()
})

it('gives the focus back to the edit button after editing', async () => {
  const { user } = drawMessages(makePrompt('p1', 'old'), makeAnswer('a1', 'b'))
  await user.click(screen.getByRole('button', { name: 'Edit' }))
  await user.keyboard('{Escape}')
  await waitFor(() => expect(document.activeElement?.getAttribute('aria-label')).toBe('Edit'))
})

it('moves among the versions of an answer', async () => {
  const siblings = ['a0', 'a1', 'a2']
  const { user, store } = drawMessages(makePrompt('p1', 'a'), makeAnswer('a1', 'b', { siblings }))
  expect(screen.getByLabelText('Version 2 of 3')).toBeTruthy()
  await user.click(screen.getByRole('button', { name: 'Next version' }))
  expect(store.calls).toContainEqual(['selectBranch', CHAT_ID, 'a2'])
})

it('makes an answer anew', async () => {
  const { user, store } = drawMessages(makePrompt('p1', 'a'), makeAnswer('a1', 'b'))
  await user.click(screen.getByRole('button', { name: 'Answer again' }))
  expect(store.calls).toContainEqual(['regenerate', CHAT_ID, 'a1'])
})

it('goes on after an interruption', async () => {
  const { user, store } = drawMessages(makePrompt('p1', 'a'), makeAnswer('a1', 'b', { state: 'interrupted' }))
  await user.click(screen.getByRole('button', { name: 'Continue' }))
  expect(store.calls).toContainEqual([
    'continueAnswer',
    CHAT_ID,
    'a1',
    'Please go on exactly where you stopped.',
  ])
})

it('does not offer to go on with what is complete', () => {
  drawMessages(makePrompt('p1', 'a'), makeAnswer('a1', 'b'))
  expect(screen.queryByRole('button', { name: 'Continue' })).toBeNull()
})

it('says what failed, and what helps', () => {
  const failure = { code: 'throttled', message: 'the quota is used up', retryable: true, awsRequestId: 'r-1' }
  drawMessages(makePrompt('p1', 'a'), makeAnswer('a1', '', { state: 'failed', failure }))
  expect(answer().textContent).toContain('the quota is used upThe model has too much to do.')
  expect(screen.getByText('AWS request r-1')).toBeTruthy()
})

it('tells tokens, cost, first token and pace on one line', () => {
  drawMessages(makePrompt('p1', 'a'), makeAnswer('a1', 'b'))
  expect(screen.getByText(/1,540 tokens · \$0\.0087 · First token after 0\.4 s · 71 tokens\/s/)).toBeTruthy()
})

it('loads older messages', async () => {
  const { user, store } = drawMessages(makePrompt('p1', 'a'))
  act(() => store.chat(CHAT_ID).patch({ hasMore: true }))
  await user.click(screen.getByRole('button', { name: 'Show older messages' }))
  expect(store.calls).toContainEqual(['loadOlder', CHAT_ID])
})

it('speaks whole sentences of an answer, and its end', () => {
  const { store } = drawMessages(
    makePrompt('p1', 'a'),
    makeAnswer('a1', '', { state: 'running', pieces: [] }),
  )
  const log = screen.getByRole('log')
  const grow = (text: string, state: 'running' | 'completed') =>
    act(() => store.message(CHAT_ID, 'a1').set(makeAnswer('a1', '', { state, pieces: [makeText(text)] })))
  grow('One is said. The oth', 'running')
  expect(log.textContent).toBe('claude answers.One is said.')
  grow('One is said. The other too', 'completed')
  expect(log.textContent).toBe('claude answers.One is said.The other tooThe answer is complete.')
})

it('speaks the rest of an answer that was interrupted and goes on', () => {
  const { store } = drawMessages(
    makePrompt('p1', 'a'),
    makeAnswer('a1', '', { state: 'running', pieces: [] }),
  )
  const log = screen.getByRole('log')
  const grow = (text: string, state: 'running' | 'interrupted' | 'completed') =>
    act(() => store.message(CHAT_ID, 'a1').set(makeAnswer('a1', '', { state, pieces: [makeText(text)] })))
  grow('One is said. ', 'running')
  grow('One is said. ', 'interrupted')
  expect(log.textContent).toBe('claude answers.One is said.The answer was interrupted.')
  grow('One is said. The other too.', 'running')
  grow('One is said. The other too.', 'completed')
  expect(log.textContent).toBe(
    'claude answers.One is said.The answer was interrupted.claude answers.The other too.The answer is complete.',
  )
})

it('does not read out an answer that was there before', () => {
  drawMessages(makePrompt('p1', 'a'), makeAnswer('a1', 'Long ago.'))
  expect(screen.getByRole('log').textContent).toBe('')
})
