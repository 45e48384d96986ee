import { act, render, screen } from '@testing-library/react'
import { expect, it, vi } from 'vitest'
import { later, loadLaterParts } from './later'

const Meanwhile = () => <p>meanwhile</p>

it('draws something else until the part is there', async () => {
  const Part = later(async () => () => <p>the part</p>, Meanwhile)
  render(<Part />)
  expect(screen.getByText('meanwhile')).toBeTruthy()
  expect(await screen.findByText('the part')).toBeTruthy()
})

it('draws a part that is there at once', async () => {
  const Part = later(async () => () => <p>the part</p>, Meanwhile)
  await loadLaterParts()
  render(<Part />)
  expect(screen.getByText('the part')).toBeTruthy()
})

it('does without a part that can not be loaded', async () => {
  const Part = later(() => Promise.reject(new Error('offline')), Meanwhile)
  render(<Part />)
  await Promise.resolve()
  expect(await screen.findByText('meanwhile')).toBeTruthy()
})

it('tries again to load a part for as long as it is wanted', async () => {
  vi.useFakeTimers()
  const load = vi.fn(async () => () => <p>the part</p>).mockRejectedValueOnce(new Error('offline'))
  const Part = later(load, Meanwhile)
  const { unmount } = render(<Part />)
  await act(() => vi.advanceTimersByTimeAsync(10_000))
  expect(screen.getByText('the part')).toBeTruthy()
  expect(load).toHaveBeenCalledTimes(2)
  unmount()
  vi.useRealTimers()
})
