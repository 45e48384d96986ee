/**
 * Says which model answers, and opens the menu of models.
 */
import { type ReactNode, useState } from 'react'
import type { Chat } from '../../chat/model'
import { useReadable, useStore } from '../../chat/react'
import { useStrings } from '../../strings'
import { Icon } from '../common/icons'
import { ModelPicker } from './laterParts'

/** Draws the button of one chat. */
export function ModelButton({ chat }: { chat: Chat }): ReactNode {
  const store = useStore()
  const models = useReadable(store.models)
  const { models: words } = useStrings()
  const [open, setOpen] = useState(false)
  const title = models.find((model) => model.name === chat.model)?.title ?? chat.model
  return (
    <>
      <button type="button" className="model-button" aria-haspopup="dialog" onClick={() => setOpen(true)}>
        <span className="unseen">{words.choose}: </span>
        <span className="model-button-title">{title || words.choose}</span>
        <Icon name="down" />
      </button>
      {open && (
        <ModelPicker
          title={words.choose}
          current={chat.model}
          onClose={() => setOpen(false)}
          onChoose={(name) => store.setModel(chat.id, name)}
        />
      )}
    </>
  )
}
