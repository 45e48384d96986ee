/**
 * How much the model is to reason before it answers.
 */
import { type ReactNode, useId } from 'react'
import type { ModelInfo, Params } from '../../chat/model'
import { type Strings, useStrings } from '../../strings'
import { type Effort, fromReasoning, listEfforts, toReasoning } from './paramRules'

interface ReasoningFieldProps {
  models: readonly (ModelInfo | undefined)[]
  value: Params['reasoning']
  onChange: (value: Params['reasoning']) => void
}

/** Draws the choice; nothing where the model leaves none. */
export function ReasoningField({ models, value, onChange }: ReasoningFieldProps): ReactNode {
  const { params: words } = useStrings()
  const id = useId()
  const efforts = listEfforts(models)
  const chosen = fromReasoning(value)
  const isTaken = efforts.includes(chosen)
  if (efforts.length === 1 && isTaken) return null
  return (
    <div className="field">
      <label htmlFor={id}>{words.reasoning}</label>
      <select
        id={id}
        value={chosen}
        aria-describedby={isTaken ? undefined : `${id}-hint`}
        onChange={(event) => {
          const effort = efforts.find((each) => each === event.target.value)
          if (effort) onChange(toReasoning(effort, models))
        }}
      >
        {(isTaken ? efforts : [...efforts, chosen]).map((effort) => (
          <option key={effort} value={effort}>
            {nameOf(effort, words)}
          </option>
        ))}
      </select>
      {!isTaken && (
        <p id={`${id}-hint`} className="hint">
          {words.notTaken}
        </p>
      )}
    </div>
  )
}

function nameOf(effort: Effort, words: Strings['params']): string {
  switch (effort) {
    case 'default':
      return words.reasoningDefault
    case 'off':
      return words.reasoningOff
    case 'low':
      return words.reasoningLow
    case 'medium':
      return words.reasoningMedium
    case 'high':
      return words.reasoningHigh
  }
}
