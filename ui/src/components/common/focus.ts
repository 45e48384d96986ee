/**
 * Where the focus goes when what had it is gone.
 */

/** The prompt's element. */
export const PROMPT_ID = 'prompt'

/** Sends the focus to the prompt; not where that would open a keyboard on the screen. */
export function focusPrompt(): void {
  if (matchMedia('(pointer: fine)').matches) document.getElementById(PROMPT_ID)?.focus()
}

/** Sends the focus to something that is there after the next drawing. */
export function focusLater(find: () => HTMLElement | null | undefined): void {
  requestAnimationFrame(() => find()?.focus())
}
