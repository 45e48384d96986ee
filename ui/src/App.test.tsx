import { act, fireEvent, render, screen } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { beforeEach, expect, it, vi } from 'vitest'
import { App } from './App'
import { Cell } from './chat/cell'
import { completeBrowser } from './components/testing/draw'
import { CHAT_ID, FakeStore } from './components/testing/fakeStore'
import { makeAnswer, makePrompt } from './components/testing/samples'

beforeEach(() => {
  completeBrowser()
  localStorage.clear()
})

function open(store = new FakeStore(), outdated = new Cell(false)) {
  render(<App store={store} outdated={outdated} />)
  return { store, outdated, user: userEvent.setup() }
}

it('begins with the focus in the prompt', () => {
  open()
  expect(document.activeElement).toBe(screen.getByLabelText('Prompt'))
})

it('skips to the prompt without going to another address', () => {
  open()
  act(() => screen.getByLabelText('Prompt').blur())
  const isFollowed = fireEvent.click(screen.getByRole('link', { name: 'Skip to the prompt' }))
  expect(isFollowed).toBe(false)
  expect(document.activeElement).toBe(screen.getByLabelText('Prompt'))
})

it('says its language', () => {
  open()
  expect(document.documentElement.lang).toBe('en')
})

it('speaks German from the moment on that it is chosen, and remembers it', async () => {
  const { user } = open()
  await user.click(screen.getByRole('button', { name: 'Appearance and language' }))
  await user.click(await screen.findByLabelText('Deutsch'))
  expect(await screen.findByText('Was möchten Sie wissen?')).toBeTruthy()
  expect(localStorage.getItem('outcrop.language')).toBe('de')
  expect(document.documentElement.lang).toBe('de')
})

it('is dark if the person wants it dark', async () => {
  const { user } = open()
  await user.click(screen.getByRole('button', { name: 'Appearance and language' }))
  await user.click(await screen.findByLabelText('Dark'))
  expect(document.documentElement.dataset.theme).toBe('dark')
  await user.click(screen.getByLabelText('As the device'))
  expect(document.documentElement.dataset.theme).toBeUndefined()
})

it('shows the list of keys on a question mark', async () => {
  const { user } = open()
  act(() => screen.getByLabelText('Prompt').blur())
  await user.keyboard('?')
  expect(await screen.findByRole('dialog', { name: 'Keyboard' })).toBeTruthy()
})

it('stops the answer on Escape', async () => {
  const store = new FakeStore()
  store.show([makePrompt('p1', 'a'), makeAnswer('a1', 'b', { state: 'running' })])
  const { user } = open(store)
  await user.keyboard('{Escape}')
  expect(store.calls).toContainEqual(['stop', CHAT_ID])
})

it('hides the side bar, and gives the focus to the button that shows it', async () => {
  const { user } = open()
  await user.click(screen.getByRole('button', { name: 'Hide conversations' }))
  expect(
    (await screen.findByRole('button', { name: 'Show conversations' })).getAttribute('aria-expanded'),
  ).toBe('false')
})

it('puts another model beside the first', async () => {
  const { user, store } = open()
  await user.click(screen.getByRole('button', { name: 'Compare with another model' }))
  await user.click(await screen.findByRole('option', { name: /^Llama Nine/ }))
  expect(store.calls).toContainEqual(['addColumn', 'llama'])
})

it('takes a column away again', async () => {
  const store = new FakeStore()
  store.columns.set([CHAT_ID, 'c2'])
  const { user } = open(store)
  const [, second] = screen.getAllByRole('button', { name: 'Take Claude Nine away' })
  if (second) await user.click(second)
  expect(store.calls).toContainEqual(['removeColumn', 'c2'])
})

const prompt = () => screen.getByLabelText<HTMLTextAreaElement>('Prompt')

async function write(user: ReturnType<typeof open>['user']) {
  fireEvent.drop(prompt(), { dataTransfer: { types: ['Files'], files: [new File(['x'], 'a.md')] } })
  await screen.findByText('a.md')
  await user.type(prompt(), 'Look')
}

it('keeps what was written and attached when the first column is taken away', async () => {
  const store = new FakeStore()
  store.columns.set([CHAT_ID, 'c2'])
  const { user } = open(store)
  await write(user)
  act(() => store.columns.set(['c2']))
  expect(prompt().value).toBe('Look')
  expect(screen.getByText('a.md')).toBeTruthy()
})

it('leaves what was written and attached behind when another chat is opened, and another after that', async () => {
  const store = new FakeStore()
  store.setDraft('c3', 'of the third')
  store.columns.set([CHAT_ID, 'c2'])
  const { user } = open(store)
  act(() => store.columns.set(['c2']))
  await write(user)
  act(() => store.columns.set(['c3']))
  expect(prompt().value).toBe('of the third')
  expect(screen.queryByText('a.md')).toBeNull()
  act(() => store.columns.set([CHAT_ID]))
  expect(prompt().value).toBe('')
})

it('closes the side bar that covers the chat on Escape, and leaves the answer alone', async () => {
  window.matchMedia = (query) =>
    Object.assign(new EventTarget(), { matches: true, media: query }) as MediaQueryList
  const store = new FakeStore()
  store.show([makePrompt('p1', 'a'), makeAnswer('a1', 'b', { state: 'running' })])
  const { user } = open(store)
  await user.click(screen.getByRole('button', { name: 'Show conversations' }))
  expect(document.querySelector('main')?.hasAttribute('inert')).toBe(true)
  await user.keyboard('{Escape}')
  expect(document.querySelector('main')?.hasAttribute('inert')).toBe(false)
  expect(store.calls).toEqual([])
})

it('offers a newer page', () => {
  const { outdated } = open()
  act(() => outdated.set(true))
  expect(screen.getByText('A newer version of this page is there.')).toBeTruthy()
})

it('says that the last answer can’t be copied where the browser has no clipboard', async () => {
  const store = new FakeStore()
  store.show([makePrompt('p1', 'a'), makeAnswer('a1', 'b')])
  const { user } = open(store)
  vi.spyOn(navigator, 'clipboard', 'get').mockReturnValue(undefined as unknown as Clipboard)
  act(() => screen.getByLabelText('Prompt').blur())
  await user.keyboard('c')
  expect(await screen.findByText('Copying failed')).toBeTruthy()
})

it('bears the title of the chat', () => {
  const store = new FakeStore()
  store.chat(CHAT_ID).patch({ title: 'Rivers' })
  open(store)
  expect(document.title).toBe('Rivers · outcrop')
})
