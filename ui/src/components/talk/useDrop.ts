/**
 * Files that are dragged onto the page.
 */
import { type DragEvent, useEffect, useState } from 'react'

interface Drop {
  /** Whether files hang over the page. */
  dragging: boolean
  onDrop: (event: DragEvent) => void
}

/** Tells whether files are being dragged, and takes those that are dropped; beside the target they do nothing. */
export function useDrop(take: (files: readonly File[]) => void): Drop {
  const [dragging, setDragging] = useState(false)
  useEffect(() => {
    const over = (event: globalThis.DragEvent) => {
      if (!hasFiles(event)) return
      // Without this the browser would leave the page to show the file.
      event.preventDefault()
      setDragging(true)
    }
    const end = (event: globalThis.DragEvent) => {
      if (event.type === 'drop' && hasFiles(event)) event.preventDefault()
      if (event.type === 'drop' || event.relatedTarget === null) setDragging(false)
    }
    document.addEventListener('dragover', over)
    document.addEventListener('dragleave', end)
    document.addEventListener('drop', end)
    return () => {
      document.removeEventListener('dragover', over)
      document.removeEventListener('dragleave', end)
      document.removeEventListener('drop', end)
    }
  }, [])
  return {
    dragging,
    onDrop: (event) => {
      if (!hasFiles(event)) return
      event.preventDefault()
      take([...event.dataTransfer.files])
    },
  }
}

/** Text that is dragged is the browser's own matter. */
function hasFiles({ dataTransfer }: { dataTransfer: DataTransfer | null }): boolean {
  return dataTransfer?.types.includes('Files') ?? false
}
