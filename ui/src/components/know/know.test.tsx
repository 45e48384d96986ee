import { act, screen } from '@testing-library/react'
import { expect, it } from 'vitest'
import type { ConnectionState } from '../../chat/model'
import { de } from '../../strings/de'
import { draw } from '../testing/draw'
import { FakeStore } from '../testing/fakeStore'
import { makeServer } from '../testing/samples'
import { Notice, ServerBanner } from './Banners'
import { ConnectionBadge } from './ConnectionBadge'
import { KeyForm } from './KeyForm'
import { Totals } from './Totals'

function drawBadge(state: ConnectionState, store = new FakeStore()) {
  store.connection.set(state)
  const drawn = draw(<ConnectionBadge />, { store })
  return { ...drawn, text: () => drawn.container.querySelector('.connection-text')?.textContent }
}

it.each([
  [{ phase: 'connecting' }, 'Connecting…'],
  [{ phase: 'live' }, 'Connected'],
  [{ phase: 'offline' }, 'You are offline'],
  [{ phase: 'draining', retryAt: 0 }, 'The server restarts; going on in a moment'],
] as const)('says in words that the connection is %o', (state, words) => {
  expect(drawBadge(state).text()).toBe(`Connection: ${words}`)
})

it('says why it waits and for how long, and tries again at once if it is asked to', async () => {
  const { text, user, store } = drawBadge({
    phase: 'waiting',
    retryAt: Date.now() + 60_000,
    reason: 'silent',
  })
  expect(text()).toMatch(/Not connected: there was no sign of life\. Trying again in (60|59) s\./)
  await user.click(screen.getByRole('button', { name: 'Try now' }))
  expect(store.calls).toEqual([['reconnect']])
})

it('does not count the seconds aloud', () => {
  drawBadge({ phase: 'waiting', retryAt: Date.now() + 60_000, reason: 'lost' })
  expect(screen.getByRole('status').textContent).toBe('The connection was lost. Trying again.')
})

it('says from where an answer goes on', () => {
  const store = new FakeStore()
  store.resuming.set({ chatId: 'c1', position: 214 })
  expect(drawBadge({ phase: 'live' }, store).text()).toBe('Connection: Going on from position 214…')
})

it('asks for a key where one is needed, and forgets what was typed', async () => {
  const store = new FakeStore()
  store.connection.set({ phase: 'refused', code: 'key_required', reason: 'no key' })
  const { user } = draw(<KeyForm />, { store })
  const field = screen.getByLabelText<HTMLInputElement>('This server wants a key')
  await user.type(field, 'secret{Enter}')
  expect(store.calls).toEqual([['enterKey', 'secret']])
  expect(field.value).toBe('')
})

it('says why a key was refused to whom entered one, and leaves them there', async () => {
  const store = new FakeStore()
  store.connection.set({ phase: 'refused', code: 'key_required', reason: 'send a header' })
  const { user } = draw(<KeyForm />, { store })
  expect(screen.queryByText(/send a header/)).toBeNull()
  await user.type(screen.getByLabelText('This server wants a key'), 'wrong{Enter}')
  act(() => store.connection.set({ phase: 'connecting' }))
  act(() => store.connection.set({ phase: 'refused', code: 'key_required', reason: 'it is not known' }))
  expect(screen.getByText(/it is not known\./)).toBeTruthy()
  expect(document.activeElement).toBe(screen.getByLabelText('This server wants a key'))
})

it('says why the server refuses, where no key helps', () => {
  const store = new FakeStore()
  store.connection.set({ phase: 'refused', code: 'not_allowed', reason: 'this key may not chat' })
  draw(<KeyForm />, { store })
  expect(screen.getByRole('alert').textContent).toBe('this key may not chat')
})

it('says that answers are simulated', () => {
  const store = new FakeStore()
  store.server.set(makeServer({ upstream: 'emulator' }))
  draw(<ServerBanner />, { store })
  expect(screen.getByText(/Every answer here is simulated/)).toBeTruthy()
})

it('shows a notice until it is closed', async () => {
  const { user, store } = draw(<Notice />)
  act(() => store.notice.set('the export failed'))
  expect(screen.getByRole('alert').textContent).toBe('the export failed')
  await user.click(screen.getByRole('button', { name: 'Close' }))
  expect(screen.getByRole('alert').textContent).toBe('')
})

it('sums up a conversation as the language writes numbers', () => {
  const totals = { inputTokens: 1200, outputTokens: 300, costUsd: 0.5, messages: 2 }
  const { container } = draw(<Totals totals={totals} hasMore={false} />, { words: de })
  expect(container.textContent?.replaceAll(/\s/g, ' ')).toBe('Diese Unterhaltung: 1.500 Tokens, 0,50 $')
})

it('says nothing of a cost that is not known, and that older messages come on top', () => {
  const totals = { inputTokens: 1, outputTokens: 1, costUsd: null, messages: 2 }
  const { container, rerender } = draw(<Totals totals={totals} hasMore={false} />)
  expect(container.textContent).toBe('This conversation: 2 tokens')
  rerender(<Totals totals={totals} hasMore={true} />)
  expect(container.textContent).toBe('This conversation: more than 2 tokens')
})
