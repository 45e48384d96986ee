/**
 * Gives a file to the person, as if a link to it had been pressed.
 */

/** Saves a file under a name. */
export function download(name: string, blob: Blob): void {
  const link = document.createElement('a')
  link.href = URL.createObjectURL(blob)
  link.download = name
  link.click()
  // The browser has begun by then; the bytes need not stay in memory.
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000)
}
