import { act, render, screen } from '@testing-library/react'
import type { ReactNode } from 'react'
import { expect, it, vi } from 'vitest'
import { FakeApi } from '../testing/fakeApi'
import { StoreBench } from '../testing/storeBench'
import { Cell } from './cell'
import { StoreProvider, useReadable, useStore } from './react'

it('draws a value anew when it changes, and only then', () => {
  const count = new Cell(1)
  let drawn = 0
  function Count(): ReactNode {
    drawn += 1
    return <p>{useReadable(count)}</p>
  }
  render(<Count />)
  act(() => count.set(2))
  act(() => count.set(2))
  expect(screen.getByText('2')).toBeDefined()
  expect(drawn).toBe(2)
})

it('gives the store to components below its provider, and to no others', () => {
  const bench = new StoreBench({ api: new FakeApi() })
  function Phase(): ReactNode {
    return <p>{useReadable(useStore().connection).phase}</p>
  }
  render(
    <StoreProvider store={bench.store}>
      <Phase />
    </StoreProvider>,
  )
  expect(screen.getByText('connecting')).toBeDefined()
  bench.store.close()
  const complain = vi.spyOn(console, 'error').mockImplementation(() => {})
  expect(() => render(<Phase />)).toThrow('StoreProvider')
  complain.mockRestore()
})
