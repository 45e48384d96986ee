/**
 * What is true of the connection, in words.
 */
import { type ReactNode, useEffect, useState } from 'react'
import type { ConnectionState } from '../../chat/model'
import { useReadable, useStore } from '../../chat/react'
import { type Strings, useStrings } from '../../strings'

/** Draws the state, with a way to try again at once where the page waits. */
export function ConnectionBadge(): ReactNode {
  const store = useStore()
  const state = useReadable(store.connection)
  const resuming = useReadable(store.resuming)
  const words = useStrings()
  const seconds = useSecondsUntil('retryAt' in state ? state.retryAt : null)
  const text =
    resuming && state.phase === 'live' ? words.know.resuming(resuming.position) : say(state, seconds, words)
  return (
    <div className="connection" data-phase={resuming && state.phase === 'live' ? 'resuming' : state.phase}>
      <span className="connection-dot" aria-hidden="true" />
      <span className="connection-text">
        <span className="unseen">{words.know.label}: </span>
        {text}
      </span>
      <span role="status" className="unseen">
        {announce(state, words)}
      </span>
      {(state.phase === 'waiting' || state.phase === 'offline') && (
        <button type="button" className="link" onClick={() => store.reconnect()}>
          {words.know.now}
        </button>
      )}
    </div>
  )
}

function say(state: ConnectionState, seconds: number, { know }: Strings): string {
  switch (state.phase) {
    case 'idle':
      return know.idle
    case 'connecting':
      return know.connecting
    case 'live':
      return know.live
    case 'waiting':
      return know.waiting(know.reasons[state.reason] ?? state.reason, seconds)
    case 'offline':
      return know.offline
    case 'draining':
      return know.draining
    case 'refused':
      return state.code === 'key_required' ? know.keyNeeded : know.refused
  }
}

/** What screen readers hear: each change of the state once, without the seconds. */
function announce(state: ConnectionState, words: Strings): string {
  return state.phase === 'waiting' ? words.know.lost : say(state, 0, words)
}

/** Counts down to a time, in whole seconds; 0 without one. */
export function useSecondsUntil(time: number | null): number {
  const [now, setNow] = useState(() => Date.now())
  useEffect(() => {
    if (time === null) return
    setNow(Date.now())
    const timer = setInterval(() => setNow(Date.now()), 500)
    return () => clearInterval(timer)
  }, [time])
  return time === null ? 0 : Math.max(0, Math.ceil((time - now) / 1000))
}
