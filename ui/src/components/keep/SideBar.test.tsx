import { act, createEvent, fireEvent, screen, within } from '@testing-library/react'
import { beforeAll, expect, it, vi } from 'vitest'
import { loadLaterParts } from '../common/later'
import { draw } from '../testing/draw'
import { FakeStore } from '../testing/fakeStore'
import { makeLibrary, makeLine, makeServer } from '../testing/samples'
import { SideBar } from './SideBar'
import { cutAtMarks } from './snippet'
import { UndoToast } from './UndoToast'

beforeAll(loadLaterParts)

function drawSide(store = new FakeStore()) {
  store.library.set(
    makeLibrary({
      pinned: [makeLine('c9', 'The plan', 3, 1)],
      recent: [makeLine('c1', 'Streams'), makeLine('c2', 'Rivers', 30)],
      hasMore: true,
    }),
  )
  const onChosen = vi.fn()
  return { ...draw(<SideBar open onClose={() => undefined} onChosen={onChosen} />, { store }), onChosen }
}

async function choose(user: ReturnType<typeof drawSide>['user'], title: string, action: string) {
  await user.click(screen.getByRole('button', { name: `Actions for “${title}”` }))
  await user.click(screen.getByRole('menuitem', { name: action }))
}

it('groups what is pinned, and the rest by the day', () => {
  drawSide()
  expect(screen.getAllByRole('region').map((each) => each.textContent)).toEqual([
    'PinnedThe plan',
    'TodayStreams',
    'OlderRivers',
  ])
})

it('marks the conversation that is shown', () => {
  drawSide()
  expect(screen.getByRole('link', { name: 'Streams' }).getAttribute('aria-current')).toBe('page')
})

it('opens a conversation', async () => {
  const { user, store, onChosen } = drawSide()
  await user.click(screen.getByRole('link', { name: 'Rivers' }))
  expect(store.calls).toContainEqual(['openChat', 'c2', {}])
  expect(onChosen).toHaveBeenCalled()
})

it('begins a temporary chat', async () => {
  const { user, store } = drawSide()
  await user.click(screen.getByRole('button', { name: 'Temporary chat' }))
  expect(store.calls).toContainEqual(['newChat', { temporary: true }])
})

it('renames inline', async () => {
  const { user, store } = drawSide()
  await choose(user, 'Rivers', 'Rename')
  await user.clear(screen.getByLabelText('New title'))
  await user.type(screen.getByLabelText('New title'), 'Lakes{Enter}')
  expect(store.calls).toEqual([['rename', 'c2', 'Lakes']])
})

it('keeps the title that is being typed while its line moves to another part of the list', async () => {
  const { user, store } = drawSide()
  await choose(user, 'Rivers', 'Rename')
  await user.keyboard('{End} and la')
  act(() => store.library.patch({ recent: [makeLine('c2', 'Rivers'), makeLine('c1', 'Streams')] }))
  expect(document.activeElement).toBe(screen.getByLabelText('New title'))
  await user.keyboard('kes{Enter}')
  expect(store.calls).toEqual([['rename', 'c2', 'Rivers and lakes']])
})

it('goes on renaming when Escape takes back a word of an input method', async () => {
  const { user } = drawSide()
  await choose(user, 'Rivers', 'Rename')
  const field = screen.getByLabelText('New title')
  fireEvent(field, createEvent.keyDown(field, { key: 'Escape', isComposing: true }))
  expect(screen.getByLabelText('New title')).toBeTruthy()
})

it('keeps the title when renaming is given up', async () => {
  const { user, store } = drawSide()
  await choose(user, 'Rivers', 'Rename')
  await user.keyboard('x{Escape}')
  expect(screen.getByRole('link', { name: 'Rivers' })).toBeTruthy()
  expect(store.calls).toEqual([])
})

it('unpins what is pinned', async () => {
  const { user, store } = drawSide()
  await choose(user, 'The plan', 'Unpin')
  expect(store.calls).toContainEqual(['pin', 'c9', false])
})

it('deletes, and offers to take that back', async () => {
  const { user, store } = drawSide()
  await choose(user, 'Rivers', 'Delete')
  expect(store.calls).toContainEqual(['remove', 'c2'])
  draw(<UndoToast />, { store })
  act(() => store.library.patch({ undo: makeLine('c2', 'Rivers') }))
  await user.click(screen.getByRole('button', { name: 'Undo' }))
  expect(store.calls).toContainEqual(['undoRemove'])
})

it('moves in a menu with the arrows, and gives the focus back with Escape', async () => {
  const { user } = drawSide()
  const button = screen.getByRole('button', { name: 'Actions for “Rivers”' })
  await user.click(button)
  expect(document.activeElement?.textContent).toBe('Rename')
  await user.keyboard('{ArrowUp}')
  expect(document.activeElement?.textContent).toBe('Delete')
  await user.keyboard('{ArrowDown}{ArrowDown}')
  expect(document.activeElement?.textContent).toBe('Pin')
  await user.keyboard('{Escape}')
  expect(screen.queryByRole('menu')).toBeNull()
  expect(document.activeElement).toBe(button)
})

it('imports a file', async () => {
  const { user, store } = drawSide()
  const file = new File(['{}'], 'chat.json', { type: 'application/json' })
  await user.upload(screen.getByLabelText('Import a conversation', { selector: 'input' }), file)
  expect(store.calls).toEqual([['importChat', file]])
})

it('shows where a search found its words, marked', () => {
  const store = new FakeStore()
  drawSide(store)
  const found = [
    {
      conversation: makeLine('c2', 'Rivers'),
      messageId: 'm7',
      snippet: '🌊 the Rhine',
      marks: [{ start: 6, end: 11 }],
    },
  ]
  act(() => store.library.patch({ search: { text: 'rhine', found, load: 'ready', hasMore: false } }))
  const link = screen.getByRole('link', { name: /^Rivers/ })
  expect(within(link).getByText('Rhine').tagName).toBe('MARK')
  expect(screen.getByText('1 found')).toBeTruthy()
})

it('does not say that nothing was found where the search failed', () => {
  const { store } = drawSide()
  const search = { text: 'rhine', found: [], hasMore: false }
  act(() => store.library.patch({ search: { ...search, load: 'failed' } }))
  expect(screen.queryByText('Nothing found.')).toBeNull()
  act(() => store.library.patch({ search: { ...search, load: 'ready' } }))
  expect(screen.getByText('Nothing found.')).toBeTruthy()
})

it('opens what was found with the branch that it is in', async () => {
  const store = new FakeStore()
  const { user } = drawSide(store)
  const found = [{ conversation: makeLine('c2', 'Rivers'), messageId: 'm7', snippet: '', marks: [] }]
  act(() => store.library.patch({ search: { text: 'rhine', found, load: 'ready', hasMore: false } }))
  await user.click(screen.getByRole('link', { name: 'Rivers' }))
  expect(store.calls).toContainEqual(['openChat', 'c2', { leafId: 'm7' }])
})

it('says that nothing is kept, where nothing is', () => {
  const store = new FakeStore()
  store.server.set(makeServer({ keepsConversations: false }))
  drawSide(store)
  expect(screen.getByText('This server keeps no conversations.')).toBeTruthy()
  expect(screen.queryByRole('textbox')).toBeNull()
})

it('is out of reach while it is closed', () => {
  draw(<SideBar open={false} onClose={() => undefined} onChosen={() => undefined} />)
  expect(document.querySelector('nav')?.hasAttribute('inert')).toBe(true)
})

it('cuts a snippet at marks that count code points', () => {
  expect(cutAtMarks('🌊ab', [{ start: 1, end: 9 }])).toEqual([
    { at: 0, text: '🌊', marked: false },
    { at: 1, text: 'ab', marked: true },
  ])
})
