/**
 * One model of the menu: its name, what it costs and what it can do.
 */
import type { ReactNode } from 'react'
import type { ModelInfo } from '../../chat/model'
import { type Language, type Strings, useLanguage, useStrings } from '../../strings'
import { formatCost, formatCount } from '../../strings/format'
import { Icon } from '../common/icons'

interface ModelOptionProps {
  id: string
  model: ModelInfo
  isCurrent: boolean
  /** Whether the keys are at it. */
  isActive: boolean
  onChoose: (name: string) => void
}

/** Draws the line. The focus is never on it: the text above has the keys. */
export function ModelOption({ id, model, isCurrent, isActive, onChoose }: ModelOptionProps): ReactNode {
  const words = useStrings()
  const language = useLanguage()
  return (
    // biome-ignore lint/a11y/useFocusableInteractive: see above
    // biome-ignore lint/a11y/useKeyWithClickEvents: see above
    <div
      id={id}
      role="option"
      className="model-option"
      aria-selected={isCurrent}
      data-active={isActive}
      onClick={() => onChoose(model.name)}
    >
      <span className="model-title">
        {model.title}
        {isCurrent && <Icon name="check" />}
      </span>
      <span className="model-name">{model.name}</span>
      <span className="hint">{listFacts(model, words, language).join(' · ')}</span>
      {model.warning !== null && <span className="model-warning">{model.warning}</span>}
    </div>
  )
}

function listFacts(model: ModelInfo, { models }: Strings, language: Language): string[] {
  const { contextTokens, price, inputModalities, features } = model
  return [
    contextTokens !== null && models.context(formatCount(contextTokens, language)),
    price?.input != null && price.output != null
      ? models.price(formatCost(price.input, language), formatCost(price.output, language))
      : models.priceUnknown,
    inputModalities.includes('image') && models.images,
    inputModalities.includes('document') && models.documents,
    features.includes('tools') && models.tools,
    features.includes('reasoning') && models.reasoning,
  ].filter((fact) => fact !== false)
}
