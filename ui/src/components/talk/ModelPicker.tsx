/**
 * The menu of models: a text to search with above a list, both worked with one set of keys.
 */
import { type KeyboardEvent, type ReactNode, useEffect, useId, useState } from 'react'
import { useReadable, useStore } from '../../chat/react'
import { useStrings } from '../../strings'
import { Dialog } from '../common/Dialog'
import { ModelOption } from './ModelOption'
import { findModels, isNameOfAnother } from './modelSearch'

interface ModelPickerProps {
  title: string
  current: string
  onClose: () => void
  onChoose: (name: string) => void
}

/** Draws the menu, open. Any name can be typed that is not in the list: a model's ID, a profile, an ARN. */
export function ModelPicker({ title, onClose, ...rest }: ModelPickerProps): ReactNode {
  return (
    <Dialog title={title} onClose={onClose} className="model-picker">
      <Picker {...rest} onClose={onClose} />
    </Dialog>
  )
}

type PickerProps = Pick<ModelPickerProps, 'current' | 'onClose' | 'onChoose'>

function Picker({ current, onClose, onChoose }: PickerProps): ReactNode {
  const models = useReadable(useStore().models)
  const { models: words } = useStrings()
  const id = useId()
  const [text, setText] = useState('')
  const groups = findModels(models, text)
  const other = isNameOfAnother(models, text) ? text.trim() : null
  const names = [
    ...groups.flatMap((group) => group.models.map((model) => model.name)),
    ...(other ? [other] : []),
  ]
  const [wanted, setActive] = useState(current)
  const active = names.includes(wanted) ? wanted : names[0]
  const choose = (name: string) => {
    onChoose(name)
    onClose()
  }
  const idOf = (name: string) => `${id}-${names.indexOf(name)}`
  const activeId = active === undefined ? undefined : idOf(active)
  useEffect(() => {
    if (activeId) document.getElementById(activeId)?.scrollIntoView?.({ block: 'nearest' })
  }, [activeId])
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Enter' && !event.nativeEvent.isComposing && active !== undefined) {
      event.preventDefault()
      choose(active)
    }
    const next = names[move(event.key, names.indexOf(active ?? ''), names.length)]
    if (next === undefined) return
    event.preventDefault()
    setActive(next)
  }
  return (
    <>
      <input
        className="model-search"
        type="text"
        role="combobox"
        aria-expanded="true"
        aria-controls={`${id}-list`}
        aria-activedescendant={activeId}
        aria-autocomplete="list"
        aria-label={words.search}
        placeholder={words.search}
        autoComplete="off"
        spellCheck={false}
        value={text}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={onKeyDown}
      />
      <div id={`${id}-list`} className="model-list" role="listbox" aria-label={words.listed} tabIndex={-1}>
        {groups.map((group, index) => (
          // biome-ignore lint/a11y/useSemanticElements: a group of options is no set of fields
          <div key={group.provider} role="group" aria-labelledby={`${id}-group-${index}`}>
            <div id={`${id}-group-${index}`} className="model-provider" role="presentation">
              {group.provider || words.listed}
            </div>
            {group.models.map((model) => (
              <ModelOption
                key={model.name}
                id={idOf(model.name)}
                model={model}
                isCurrent={model.name === current}
                isActive={model.name === active}
                onChoose={choose}
              />
            ))}
          </div>
        ))}
        {other && (
          // biome-ignore lint/a11y/useFocusableInteractive: the focus stays in the text, as the pattern wants it
          // biome-ignore lint/a11y/useKeyWithClickEvents: the text takes the keys
          <div
            id={idOf(other)}
            role="option"
            className="model-option"
            aria-selected={false}
            data-active={other === active}
            onClick={() => choose(other)}
          >
            {words.use(other)}
          </div>
        )}
      </div>
      {names.length === 0 && <p className="hint">{words.none}</p>}
    </>
  )
}

function move(key: string, at: number, count: number): number {
  switch (key) {
    case 'ArrowDown':
      return (at + 1) % count
    case 'ArrowUp':
      return (at - 1 + count) % count
    case 'PageDown':
      return Math.min(at + 8, count - 1)
    case 'PageUp':
      return Math.max(at - 8, 0)
    default:
      return -1
  }
}
