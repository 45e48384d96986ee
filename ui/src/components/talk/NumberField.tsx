/**
 * A setting that is a number, or left to the model.
 */
import { type ReactNode, useId, useState } from 'react'
import { type Strings, useStrings } from '../../strings'
import { type NumberParam, parseNumber } from './paramRules'

interface NumberFieldProps {
  name: NumberParam
  value: number | undefined
  onChange: (value: number | undefined) => void
}

/** Draws the field; what is out of range is named, and not taken. */
export function NumberField({ name, value, onChange }: NumberFieldProps): ReactNode {
  const { params: words } = useStrings()
  const id = useId()
  const [text, setText] = useState(value === undefined ? '' : String(value))
  const isWrong = parseNumber(text, name) === null
  const change = (next: string) => {
    setText(next)
    const parsed = parseNumber(next, name)
    if (parsed !== null) onChange(parsed)
  }
  return (
    <div className="field">
      <label htmlFor={id}>{words[name]}</label>
      <input
        id={id}
        inputMode={name === 'topK' || name === 'maxTokens' ? 'numeric' : 'decimal'}
        autoComplete="off"
        placeholder={words.modelDefault}
        value={text}
        aria-invalid={isWrong}
        aria-describedby={isWrong ? `${id}-wrong ${id}-hint` : `${id}-hint`}
        onChange={(event) => change(event.target.value)}
      />
      {isWrong && (
        <p id={`${id}-wrong`} className="hint danger">
          {words.wrong(text)}
        </p>
      )}
      <p id={`${id}-hint`} className="hint">
        {hintOf(name, words)}
      </p>
    </div>
  )
}

function hintOf(name: NumberParam, words: Strings['params']): string {
  switch (name) {
    case 'temperature':
      return words.temperatureHint
    case 'topP':
      return words.topPHint
    case 'topK':
    case 'maxTokens':
      return words.topKHint
  }
}
