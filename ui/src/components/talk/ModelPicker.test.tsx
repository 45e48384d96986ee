import { screen, within } from '@testing-library/react'
import { expect, it, vi } from 'vitest'
import { draw } from '../testing/draw'
import { ModelPicker } from './ModelPicker'

function drawPicker() {
  const onChoose = vi.fn()
  const onClose = vi.fn()
  const drawn = draw(
    <ModelPicker title="Choose a model" current="claude" onClose={onClose} onChoose={onChoose} />,
  )
  return { ...drawn, onChoose, onClose, search: screen.getByRole('combobox') }
}

it('has the focus in the search when it opens', () => {
  const { search } = drawPicker()
  expect(document.activeElement).toBe(search)
})

it('groups the models by their provider', () => {
  drawPicker()
  const group = screen.getByRole('group', { name: 'Meta' })
  expect(within(group).getAllByRole('option')).toHaveLength(1)
})

it('tells price, context, abilities and warnings', () => {
  drawPicker()
  const [claude, llama] = screen.getAllByRole('option')
  expect(claude?.textContent).toContain('200K context · $3.00 in, $15.00 out per million tokens · images')
  expect(llama?.textContent).toContain('goes away on 2027-01-01')
})

it('begins at the chosen model, and moves with the arrows', async () => {
  const { user, search, onChoose } = drawPicker()
  await user.type(search, '{ArrowDown}{Enter}')
  expect(onChoose).toHaveBeenCalledWith('llama')
})

it('names the line at which the keys are', async () => {
  const { user, search } = drawPicker()
  await user.type(search, '{ArrowUp}')
  const id = search.getAttribute('aria-activedescendant') ?? ''
  expect(document.getElementById(id)?.textContent).toContain('Llama Nine')
})

it('chooses what a search leaves', async () => {
  const { user, search, onChoose, onClose } = drawPicker()
  await user.type(search, 'llama{Enter}')
  expect(onChoose).toHaveBeenCalledWith('llama')
  expect(onClose).toHaveBeenCalled()
})

it('takes a model ID that is not in the list, as it is written', async () => {
  const { user, search, onChoose } = drawPicker()
  await user.type(search, 'eu.other.model-v1:0')
  await user.click(screen.getByRole('option', { name: 'Use “eu.other.model-v1:0” as it is written' }))
  expect(onChoose).toHaveBeenCalledWith('eu.other.model-v1:0')
})

it('marks the chosen model', () => {
  drawPicker()
  expect(screen.getByRole('option', { selected: true }).textContent).toContain('Claude Nine')
})
