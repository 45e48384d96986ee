import { expect, it } from 'vitest'
import { findCommand, type Press } from './shortcuts'

function press(key: string, changes: Partial<Press> = {}): Press {
  return {
    key,
    ctrlKey: false,
    metaKey: false,
    altKey: false,
    shiftKey: false,
    isComposing: false,
    ...changes,
  }
}

it('opens the list of keys with a question mark', () => {
  expect(findCommand(press('?', { shiftKey: true }), false, true)).toBe('help')
})

it('lets a question mark be typed', () => {
  expect(findCommand(press('?'), true, true)).toBeNull()
})

it('leaves single keys alone where the person switched them off', () => {
  expect(findCommand(press('n'), false, false)).toBeNull()
})

it('stops from anywhere', () => {
  expect(findCommand(press('Escape'), true, false)).toBe('stop')
})

it('does not stop what an input method is asked to give up', () => {
  expect(findCommand(press('Escape', { isComposing: true }), true, true)).toBeNull()
})

it('takes Ctrl and the command key alike', () => {
  expect(findCommand(press('k', { metaKey: true }), true, true)).toBe('search')
  expect(findCommand(press('O', { ctrlKey: true, shiftKey: true }), true, true)).toBe('newChat')
})

it('leaves other combinations to the browser', () => {
  expect(findCommand(press('s', { ctrlKey: true }), false, true)).toBeNull()
})
