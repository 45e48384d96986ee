/**
 * Where the person writes: the prompt, its files, and the buttons that send and stop.
 */
import { type ClipboardEvent, type FormEvent, type ReactNode, useEffect, useRef, useState } from 'react'
import type { Chat, ModelInfo } from '../../chat/model'
import { useReadable, useStore } from '../../chat/react'
import { useStrings } from '../../strings'
import { PROMPT_ID } from '../common/focus'
import { Icon } from '../common/icons'
import { AttachButton } from './AttachButton'
import { AttachmentList } from './AttachmentList'
import { findTakes, type Takes } from './fileRules'
import { GrowingText } from './GrowingText'
import { ParamsButton } from './ParamsButton'
import { StopButton } from './StopButton'
import { useAttachments } from './useAttachments'
import { useDrop } from './useDrop'

/** Draws the box for all columns; its draft belongs to the first one. Give it another key where other chats are shown. */
export function PromptBox({ chats }: { chats: readonly Chat[] }): ReactNode {
  const store = useStore()
  const words = useStrings()
  const infos = useModels(chats)
  const takes = findTakes(infos)
  const { files, refused, reading, add, remove, clear, check } = useAttachments(takes)
  const [text, setText] = useDraft(chats[0])
  const box = useRef<HTMLTextAreaElement>(null)
  const { dragging, onDrop } = useDrop((dropped) => void add(dropped))
  const running = chats.some((chat) => chat.runningId !== null)
  const isBlank = text.trim() === '' && files.length === 0
  const send = () => {
    if (isBlank || reading || !check() || !store.send({ text, files })) return
    setText('')
    clear()
    box.current?.focus()
  }
  return (
    <form className="prompt-box" data-dragging={dragging} onSubmit={submitting(send)} onDrop={onDrop}>
      {dragging && <p className="drop-here">{words.talk.drop}</p>}
      <AttachmentList files={files} refused={refused} onRemove={remove} />
      <GrowingText
        id={PROMPT_ID}
        ref={box}
        label={words.talk.prompt}
        placeholder={words.talk.placeholder}
        value={text}
        onChange={setText}
        onEnter={send}
        focused={matchMedia('(pointer: fine)').matches}
        describedBy="prompt-hint"
        onPaste={(event) => pasteFiles(event, add)}
      />
      <div className="prompt-tools">
        <AttachButton takes={takes} onFiles={add} />
        <ParamsButton models={infos} />
        <p id="prompt-hint" className="hint prompt-hint">
          <Hint chats={chats} running={running} reading={reading} takes={takes} />
        </p>
        {running ? (
          <StopButton chats={chats} />
        ) : (
          <button
            type="submit"
            className="send"
            disabled={isBlank || reading}
            aria-label={words.talk.send}
            title={words.talk.send}
          >
            <Icon name="send" />
          </button>
        )}
      </div>
    </form>
  )
}

function useModels(chats: readonly Chat[]): readonly (ModelInfo | undefined)[] {
  const models = useReadable(useStore().models)
  return chats.map(({ model }) => models.find((each) => each.name === model || each.modelId === model))
}

function useDraft(chat: Chat | undefined): [string, (text: string) => void] {
  const store = useStore()
  const { id = '', draftRevision = 0 } = chat ?? {}
  const [text, setText] = useState(() => store.draft(id))
  // What was not sent comes back as a draft, and what was typed goes along when the first column is taken away.
  useEffect(() => {
    if (draftRevision > 0) setText((now) => store.draft(id) || now)
  }, [draftRevision, id, store])
  const change = (next: string) => {
    setText(next)
    store.setDraft(id, next)
  }
  return [text, change]
}

function submitting(send: () => void): (event: FormEvent) => void {
  return (event) => {
    event.preventDefault()
    send()
  }
}

/** Text that was copied from an office program brings a picture of itself along: then the text is meant. */
function pasteFiles(event: ClipboardEvent, add: (files: readonly File[]) => Promise<void>): void {
  const files = [...event.clipboardData.files]
  if (files.length === 0 || event.clipboardData.types.includes('text/plain')) return
  event.preventDefault()
  void add(files)
}

/** Says what is in the way of sending, or else what can be sent; how to send is for those who don't see the button. */
function Hint({
  chats,
  running,
  reading,
  takes,
}: {
  chats: readonly Chat[]
  running: boolean
  reading: boolean
  takes: Takes
}): ReactNode {
  const { talk } = useStrings()
  if (running) return talk.waitForAnswer
  if (reading) return talk.reading
  if (chats.some((chat) => chat.model === '')) return talk.chooseModel
  const kinds = [takes.images && talk.images, takes.documents && talk.documents].filter(
    (kind) => kind !== false,
  )
  if (kinds.length === 0) return talk.hint
  return (
    <>
      <span className="unseen">{talk.hint}. </span>
      {talk.limits(kinds.join(', '))}
    </>
  )
}
