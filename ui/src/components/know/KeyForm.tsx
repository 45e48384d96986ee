/**
 * Asks for the key of a server that wants one.
 */
import { type FormEvent, type ReactNode, useId, useState } from 'react'
import { useReadable, useStore } from '../../chat/react'
import { useStrings } from '../../strings'

/** Draws the form while the server refuses this page; else nothing. */
export function KeyForm(): ReactNode {
  const store = useStore()
  const state = useReadable(store.connection)
  const { know } = useStrings()
  const [key, setKey] = useState('')
  const id = useId()
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
  }
  return (
    <form className="key-form" onSubmit={submit}>
      <label htmlFor={id}>{know.keyNeeded}</label>
      <div className="row">
        <input
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
        {state.reason ? `${state.reason}. ` : ''}
        {know.keyHint}
      </p>
    </form>
  )
}
