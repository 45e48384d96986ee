/**
 * Asking: prompts, edits, answers made anew, and going on. A prompt is shown at once, before anything is sent.
 */
import type { Answers } from './answers'
import type { Core } from './core'
import type { ChatEntry } from './entry'
import { makeId } from './ids'
import { blankAnswer, fromPrompt } from './messages'
import type { ChatMessage, Prompt } from './model'
import type { Asking as Question } from './sending'
import { toQuestion } from './sending'

/** Tells whether there is nothing in a prompt. */
export function isBlankPrompt(prompt: Prompt): boolean {
  return prompt.text.trim() === '' && prompt.files.length === 0
}

/** Tells whether a chat takes a question now. */
export function canAsk(entry: ChatEntry): boolean {
  const { load, model } = entry.cell.get()
  return !entry.request && model !== '' && (load === 'ready' || load === 'new')
}

/** Asks in chats. Each of these does nothing where `canAsk` is false. */
export class Asking {
  readonly #core: Core
  readonly #answers: Answers

  constructor(core: Core, answers: Answers) {
    this.#core = core
    this.#answers = answers
  }

  /**
   * Asks after a message: the last one of the shown branch, or an earlier one, which makes a branch. Returns whether
   * the question was taken.
   */
  ask(entry: ChatEntry, parentId: string | null, prompt: Prompt): boolean {
    if (!canAsk(entry) || isBlankPrompt(prompt)) return false
    const { tree } = entry
    const message = fromPrompt(makeId('u'), parentId, prompt)
    tree.add(message)
    if (!entry.cell.get().temporary)
      this.#core.memory.setUnsent(entry.id, { id: message.id, text: prompt.text })
    if (entry.cell.get().load === 'new') entry.cell.patch({ load: 'ready', title: makeTitle(prompt.text) })
    this.#answer(entry, message.id, 'submit-message')
    return true
  }

  /** Makes an answer anew, beside the one that is there; asks again where the question was refused. */
  regenerate(entry: ChatEntry, answerId: string): void {
    const answer = entry.tree.find(answerId)
    if (!canAsk(entry) || answer?.role !== 'assistant' || answer.parentId === null) return
    if (entry.tree.isUnsent(answer.parentId)) {
      entry.tree.patch(answer.parentId, { state: 'sending' })
      this.#answer(entry, answer.parentId, 'submit-message', answerId)
    } else {
      const isUnsent = entry.tree.isUnsent(answerId)
      this.#answer(entry, answer.parentId, 'regenerate-message', isUnsent ? answerId : undefined)
    }
  }

  #answer(entry: ChatEntry, promptId: string, trigger: Question['trigger'], answerId = makeId('a')): void {
    const { tree } = entry
    const { model } = entry.cell.get()
    const blank = blankAnswer(answerId, promptId, model)
    if (tree.find(answerId)) tree.replace(answerId, blank)
    else tree.add(blank)
    entry.show([...tree.pathTo(promptId), answerId])
    this.#answers.ask(entry, answerId, toQuestion(this.#question(entry, promptId, trigger)))
  }

  #question(entry: ChatEntry, promptId: string, trigger: Question['trigger']): Question {
    const { tree, id: chatId } = entry
    const { model, temporary } = entry.cell.get()
    const info = this.#core.models.get().find((each) => each.name === model || each.modelId === model)
    const common = { chatId, model, info, params: this.#core.params.get(), trigger, temporary }
    if (this.#core.keepsNothing(entry)) {
      const branch = tree
        .findAll(tree.pathTo(promptId))
        .filter((each) => each.id === promptId || isSaid(each))
      return { ...common, messages: branch, parentId: null }
    }
    if (trigger === 'regenerate-message') return { ...common, messages: [], parentId: promptId }
    const prompt = tree.findAll([promptId])
    return { ...common, messages: prompt, parentId: prompt[0]?.parentId ?? null }
  }
}

/** Tells whether anything in a message is for a model. */
function isSaid(message: ChatMessage): boolean {
  return message.pieces.some(
    (piece) => piece.kind === 'file' || (piece.kind === 'text' && piece.text.trim() !== ''),
  )
}

const TITLE_CHARACTERS = 60

/** Takes the first words of a prompt, as the server does, until the server says the title. */
function makeTitle(text: string): string {
  const words = text.split(/\s+/).filter(Boolean).join(' ')
  const letters = [...words]
  if (letters.length <= TITLE_CHARACTERS) return words
  const beginning = letters.slice(0, TITLE_CHARACTERS).join('')
  return `${beginning.slice(0, beginning.lastIndexOf(' ')) || beginning}…`
}
