/**
 * What the person should know of the server as a whole.
 */
import type { ReactNode } from 'react'
import { useReadable, useStore } from '../../chat/react'
import { useStrings } from '../../strings'
import { IconButton } from '../common/IconButton'

/** Says that answers are simulated, where they are, or else what the server has to say to everybody. */
export function ServerBanner(): ReactNode {
  const server = useReadable(useStore().server)
  const { know } = useStrings()
  if (!server) return null
  if (server.upstream !== 'emulator') return server.notice ? <p className="banner">{server.notice}</p> : null
  return (
    <p className="banner">
      <strong>{know.emulator}</strong> <span>{know.emulatorNotice}</span>
    </p>
  )
}

/** Says what failed, until the person has seen it. */
export function Notice(): ReactNode {
  const store = useStore()
  const notice = useReadable(store.notice)
  const { app } = useStrings()
  return (
    <div role="alert" className="toasts">
      {notice !== null && (
        <div className="toast failed">
          <span>{notice}</span>
          <IconButton icon="close" label={app.close} onClick={() => store.dismissNotice()} />
        </div>
      )}
    </div>
  )
}

/** Offers to load a newer page. */
export function NewVersion(): ReactNode {
  const { app } = useStrings()
  return (
    <div role="status" className="toast">
      <span>{app.newVersion}</span>
      <button type="button" className="link" onClick={() => location.reload()}>
        {app.loadAnew}
      </button>
    </div>
  )
}
