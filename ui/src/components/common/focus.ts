/**
 * Where the focus goes when what had it is gone.
 */

/** The prompt's element. */
export const PROMPT_ID = 'prompt'

/** Sends the focus to the prompt; where that would open a keyboard on the screen, to the messages. */
export function focusPrompt(): void {
  if (matchMedia('(pointer: fine)').matches) document.getElementById(PROMPT_ID)?.focus()
  else document.querySelector<HTMLElement>('.scroll')?.focus({ preventScroll: true })
}

/** Sends the focus to something that is there after the next drawing. */
export function focusLater(find: () => HTMLElement | null | undefined): void {
  requestAnimationFrame(() => find()?.focus())
}
