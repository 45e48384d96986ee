/**
 * Keeps the end of a growing text in sight, for those who are reading there.
 */
import { type RefObject, useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react'

const NEAR_PIXELS = 80

interface Stick {
  /** Whether the newest text is in sight. */
  atEnd: boolean
  /** Goes to the newest text, and follows it from then on. */
  toEnd: () => void
}

/** Follows the end of what scrolls in `box` while the person is near it; scrolling up lets go at once. */
export function useStick(box: RefObject<HTMLElement | null>): Stick {
  const [atEnd, setAtEnd] = useState(true)
  const follows = useRef(true)
  const before = useRef({ top: 0, height: 0 })
  const toEnd = useCallback(() => {
    follows.current = true
    setAtEnd(true)
    box.current?.scrollTo({ top: box.current.scrollHeight })
  }, [box])
  useEffect(() => {
    const element = box.current
    if (!element) return
    const look = () => {
      const distance = distanceOf(element)
      const { top, height } = before.current
      const { scrollTop, scrollHeight } = element
      // New text may come between our own scrolling and its report: only a move upwards lets go. Text that became
      // shorter moves what is shown upwards too.
      if (scrollTop < top && scrollHeight >= height && distance > 2) follows.current = false
      else if (distance < NEAR_PIXELS) follows.current = true
      before.current = { top: scrollTop, height: scrollHeight }
      setAtEnd(follows.current)
    }
    // Who unfolds something wants to read that, not what grows below it.
    const letGo = (event: Event) => {
      if (event.target instanceof Element && event.target.closest('summary')) follows.current = false
    }
    element.addEventListener('scroll', look, { passive: true })
    element.addEventListener('click', letGo)
    return () => {
      element.removeEventListener('scroll', look)
      element.removeEventListener('click', letGo)
    }
  }, [box])
  useLayoutEffect(() => {
    const element = box.current
    const content = element?.firstElementChild
    if (!element || !content) return
    const keep = () => {
      if (follows.current) element.scrollTop = element.scrollHeight
      else setAtEnd(distanceOf(element) < NEAR_PIXELS)
    }
    keep()
    const watcher = new ResizeObserver(keep)
    watcher.observe(content)
    watcher.observe(element)
    return () => watcher.disconnect()
  }, [box])
  return { atEnd, toEnd }
}

/**
 * Keeps what is being read in its place when older messages come above it. Browsers do that by themselves, except at the
 * very top, where the person is then.
 */
export function useKeepPlace(box: RefObject<HTMLElement | null>, first: string | undefined): void {
  const before = useRef({ first, height: 0, top: 0 })
  useLayoutEffect(() => {
    const element = box.current
    if (!element) return
    const { first: wasFirst, height, top } = before.current
    const grown = element.scrollHeight - height
    const isOlder = wasFirst !== undefined && wasFirst !== first && top < 1 && grown > 0
    if (isOlder && element.scrollTop < 1) element.scrollTop = grown
    before.current = { first, height: element.scrollHeight, top: element.scrollTop }
  }, [box, first])
  useEffect(() => {
    const element = box.current
    if (!element) return
    const look = () => {
      before.current.height = element.scrollHeight
      before.current.top = element.scrollTop
    }
    element.addEventListener('scroll', look, { passive: true })
    return () => element.removeEventListener('scroll', look)
  }, [box])
}

function distanceOf(element: HTMLElement): number {
  return element.scrollHeight - element.clientHeight - element.scrollTop
}
