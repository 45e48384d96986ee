/**
 * Text on the clipboard.
 */

/** Puts text on the clipboard; false where that failed, or where there is none: browsers offer it on secure pages only. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    return false
  }
}
