/**
 * Asks for the key of a server that wants one.
 */
import { type FormEvent, type ReactNode, useEffect, useId, useRef, useState } from 'react'
import { useReadable, useStore } from '../../chat/react'
import { useStrings } from '../../strings'
import { focusPrompt } from '../common/focus'

/** Draws the form while the server refuses this page; else nothing. */
export function KeyForm(): ReactNode {
  const store = useStore()
  const state = useReadable(store.connection)
  const { know } = useStrings()
  const [key, setKey] = useState('')
  const [tried, setTried] = useState(false)
  const box = useRef<HTMLInputElement>(null)
  const id = useId()
  // While the key is tried the form is away; who has to enter another one goes on there.
  useEffect(() => {
    if (tried && state.phase === 'refused') box.current?.focus()
  }, [tried, state.phase])
  if (state.phase !== 'refused') return null
  if (state.code !== 'key_required') {
    return (
      <p className="refusal" role="alert">
        {state.code === 'unsupported' ? know.unsupported : state.reason}
      </p>
    )
  }
  const submit = (event: FormEvent) => {
    event.preventDefault()
    store.enterKey(key)
    setKey('')
    setTried(true)
    focusPrompt()
  }
  return (
    <form className="key-form" onSubmit={submit}>
      <label htmlFor={id}>{know.keyNeeded}</label>
      <div className="row">
        <input
          ref={box}
          id={id}
          type="password"
          required
          maxLength={512}
          autoComplete="off"
          aria-describedby={`${id}-hint`}
          placeholder={know.key}
          value={key}
          onChange={(event) => setKey(event.target.value)}
        />
        <button type="submit" className="primary">
          {know.useKey}
        </button>
      </div>
      <p id={`${id}-hint`} className="hint">
        {tried && state.reason ? `${state.reason}. ` : ''}
        {know.keyHint}
      </p>
    </form>
  )
}
