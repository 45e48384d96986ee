/**
 * A box for text that is as high as what is in it.
 */
import {
  type ClipboardEvent,
  type KeyboardEvent,
  type ReactNode,
  type Ref,
  useLayoutEffect,
  useRef,
} from 'react'

interface GrowingTextProps {
  label: string
  value: string
  onChange: (text: string) => void
  /** Enter was pressed, and not to finish a word of an input method or to begin a line. */
  onEnter: () => void
  /** Whether it takes the focus when it appears, the cursor at the end. */
  focused?: boolean
  placeholder?: string
  id?: string
  describedBy?: string
  onPaste?: (event: ClipboardEvent) => void
  ref?: Ref<HTMLTextAreaElement>
}

// Safari ends a word with a keydown that no longer says `isComposing`, but has this code.
const COMPOSING = 229

/** Tells whether a key is for an input method that is at work, and so means nothing here. */
export function isComposing(event: KeyboardEvent): boolean {
  return event.nativeEvent.isComposing || event.keyCode === COMPOSING
}

/** Tells whether a key means "send": Enter alone, while no input method is at work. */
export function isSend(event: KeyboardEvent): boolean {
  if (event.key !== 'Enter' || event.shiftKey || event.ctrlKey || event.altKey || event.metaKey) return false
  return !isComposing(event)
}

/** Draws the box. Its greatest height is the style's. */
export function GrowingText(props: GrowingTextProps): ReactNode {
  const { label, value, onChange, onEnter, focused = false, describedBy, ref, ...rest } = props
  const own = useRef<HTMLTextAreaElement>(null)
  // biome-ignore lint/correctness/useExhaustiveDependencies: the height follows the text
  useLayoutEffect(() => {
    const box = own.current
    if (!box) return
    box.style.height = 'auto'
    box.style.height = `${box.scrollHeight + box.offsetHeight - box.clientHeight}px`
  }, [value])
  useLayoutEffect(() => {
    if (!focused) return
    own.current?.focus()
    own.current?.setSelectionRange(own.current.value.length, own.current.value.length)
  }, [focused])
  return (
    <textarea
      {...rest}
      ref={(box) => {
        own.current = box
        if (typeof ref === 'function') ref(box)
        else if (ref) ref.current = box
      }}
      className="growing"
      rows={1}
      dir="auto"
      aria-label={label}
      aria-describedby={describedBy}
      value={value}
      onChange={(event) => onChange(event.target.value)}
      onKeyDown={(event) => {
        if (!isSend(event)) return
        event.preventDefault()
        onEnter()
      }}
    />
  )
}
