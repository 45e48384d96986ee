/**
 * What is shown when the page itself fails.
 */
import { Component, type ReactNode } from 'react'
import { StringsContext } from '../../strings'

/** Draws its children, or, once drawing them has failed, a way to load the page anew. */
export class Crash extends Component<{ children: ReactNode }, { failed: boolean }> {
  static override contextType = StringsContext
  declare context: React.ContextType<typeof StringsContext>
  override state = { failed: false }

  static getDerivedStateFromError(): { failed: boolean } {
    return { failed: true }
  }

  override render(): ReactNode {
    if (!this.state.failed) return this.props.children
    const { failures, app } = this.context
    return (
      <main className="crash" role="alert">
        <p>{failures.internal}</p>
        <button type="button" className="primary" onClick={() => location.reload()}>
          {app.loadAnew}
        </button>
      </main>
    )
  }
}
