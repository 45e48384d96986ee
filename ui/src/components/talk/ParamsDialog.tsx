/**
 * How the model is to answer: what it is told beforehand, and its parameters. Only what it takes is offered.
 */
import { type ReactNode, useId, useState } from 'react'
import type { ModelInfo, Params } from '../../chat/model'
import { useReadable, useStore } from '../../chat/react'
import { useStrings } from '../../strings'
import { Dialog } from '../common/Dialog'
import { NumberField } from './NumberField'
import { isTaken, NUMBER_RULES, type NumberParam, withParam } from './paramRules'
import { ReasoningField } from './ReasoningField'

interface ParamsDialogProps {
  /** The models of all columns; undefined for one that is not listed. */
  models: readonly (ModelInfo | undefined)[]
  onClose: () => void
}

const NUMBERS: readonly NumberParam[] = ['temperature', 'topP', 'topK', 'maxTokens']

/** Draws the dialog. A change counts at once, for the next answer. */
export function ParamsDialog({ models, onClose }: ParamsDialogProps): ReactNode {
  const { params: words } = useStrings()
  return (
    <Dialog title={words.title} onClose={onClose}>
      <Fields models={models} />
    </Dialog>
  )
}

function Fields({ models }: { models: readonly (ModelInfo | undefined)[] }): ReactNode {
  const store = useStore()
  const params = useReadable(store.params)
  const { params: words } = useStrings()
  const [round, setRound] = useState(0)
  const change = <K extends keyof Params>(name: K, value: Params[K] | undefined) =>
    store.setParams(withParam(store.params.get(), name, value))
  const reset = () => {
    store.setParams({ stream: true })
    setRound(round + 1)
  }
  return (
    <div className="fields" key={round}>
      {isTaken('system', models) && (
        <TextField
          label={words.system}
          hint={words.systemHint}
          rows={4}
          value={params.system ?? ''}
          onChange={(text) => change('system', text.trim() === '' ? undefined : text)}
        />
      )}
      <label className="switch">
        <input
          type="checkbox"
          checked={params.stream}
          onChange={(event) => change('stream', event.target.checked)}
        />
        {words.streaming}
      </label>
      <ReasoningField
        models={models}
        value={params.reasoning}
        onChange={(value) => change('reasoning', value)}
      />
      <div className="pairs">
        {NUMBERS.filter((name) => isTaken(NUMBER_RULES[name].field, models)).map((name) => (
          <NumberField
            key={name}
            name={name}
            value={params[name]}
            onChange={(value) => change(name, value)}
          />
        ))}
      </div>
      {isTaken('stop_sequences', models) && (
        <TextField
          label={words.stop}
          rows={2}
          value={params.stop?.join('\n') ?? ''}
          onChange={(text) => change('stop', toLines(text))}
        />
      )}
      <div className="row end">
        <button type="button" className="quiet" onClick={reset}>
          {words.reset}
        </button>
      </div>
    </div>
  )
}

interface TextFieldProps {
  label: string
  hint?: string
  rows: number
  value: string
  onChange: (text: string) => void
}

/** What is typed stays as it was typed: the value that is kept of it may leave out blank lines. */
function TextField({ label, hint, rows, value, onChange }: TextFieldProps): ReactNode {
  const id = useId()
  const [text, setText] = useState(value)
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <textarea
        id={id}
        rows={rows}
        dir="auto"
        value={text}
        aria-describedby={hint && `${id}-hint`}
        onChange={(event) => {
          setText(event.target.value)
          onChange(event.target.value)
        }}
      />
      {hint && (
        <p id={`${id}-hint`} className="hint">
          {hint}
        </p>
      )}
    </div>
  )
}

function toLines(text: string): string[] | undefined {
  const lines = text.split('\n').filter((line) => line !== '')
  return lines.length === 0 ? undefined : lines
}
