import { screen } from '@testing-library/react'
import { expect, it } from 'vitest'
import { draw } from '../testing/draw'
import { FakeStore } from '../testing/fakeStore'
import { CLAUDE, LLAMA } from '../testing/samples'
import { ParamsDialog } from './ParamsDialog'

function drawDialog(model = CLAUDE, store = new FakeStore()) {
  return draw(<ParamsDialog models={[model]} onClose={() => undefined} />, { store })
}

it('offers only what the model takes', () => {
  drawDialog(LLAMA)
  expect(screen.getByLabelText('Temperature')).toBeTruthy()
  expect(screen.queryByLabelText('Top K')).toBeNull()
  expect(screen.queryByLabelText('System prompt')).toBeNull()
  expect(screen.queryByLabelText('Reasoning')).toBeNull()
})

it('keeps a number at once', async () => {
  const { user, store } = drawDialog()
  await user.type(screen.getByLabelText('Temperature'), '0.5')
  expect(store.params.get()).toEqual({ stream: true, temperature: 0.5 })
})

it('names a number that is out of range, and does not take it', async () => {
  const { user, store } = drawDialog()
  await user.type(screen.getByLabelText('Top P'), '3')
  expect(screen.getByText('3 is not in this range.')).toBeTruthy()
  expect(screen.getByText('0 to 1')).toBeTruthy()
  expect(store.params.get()).toEqual({ stream: true })
})

it('switches streaming off', async () => {
  const { user, store } = drawDialog()
  await user.click(screen.getByLabelText('Show the answer while it is written'))
  expect(store.params.get().stream).toBe(false)
})

it('takes one stop word from each line', async () => {
  const { user, store } = drawDialog()
  await user.type(screen.getByLabelText(/^Stop at/), 'END{Enter}{Enter}STOP')
  expect(store.params.get().stop).toEqual(['END', 'STOP'])
})

it('chooses how much is reasoned', async () => {
  const { user, store } = drawDialog()
  await user.selectOptions(screen.getByLabelText('Reasoning'), 'Much')
  expect(store.params.get().reasoning).toEqual({ mode: 'adaptive', effort: 'high' })
})

it('says when a choice does not suit the model, and is not sent', () => {
  const store = new FakeStore()
  store.params.set({ stream: true, reasoning: { mode: 'disabled' } })
  drawDialog({ ...CLAUDE, refuses: ['reasoning_disabled'] }, store)
  expect(screen.getByText(/so it is not sent/)).toBeTruthy()
})

it('goes back to the defaults', async () => {
  const store = new FakeStore()
  store.params.set({ stream: false, temperature: 1, system: 'Be brief' })
  const { user } = drawDialog(CLAUDE, store)
  await user.click(screen.getByRole('button', { name: 'Back to the defaults' }))
  expect(store.params.get()).toEqual({ stream: true })
  expect(screen.getByLabelText<HTMLInputElement>('Temperature').value).toBe('')
})
