/**
 * The entry of the page.
 */
import { createRoot } from 'react-dom/client'
import { App } from './App'
import { Cell } from './chat/cell'
import { createStore } from './chat/store'
import { loadLaterParts } from './components/common/later'
import { readPreferences } from './components/common/preferences'
import { registerShell } from './shell/register'
import { chooseLanguage, loadedStrings, loadStrings } from './strings'
import './styles/tokens.css'
import './styles/base.css'
import './styles/common.css'
import './styles/talk.css'
import './styles/read.css'
import './styles/know.css'
import './styles/keep.css'

/** Adds what helps to the server's own sentence, in the language that the page has by then. */
function explain(code: string, message: string): string {
  const { failures } = loadedStrings(chooseLanguage([document.documentElement.lang]))
  return `${message}. ${failures.remedies[code] ?? failures.other}`
}

async function start(root: HTMLElement): Promise<void> {
  // The page's own language from the first word on; where it can't be loaded, English.
  await loadStrings(readPreferences().language)
  const outdated = new Cell(false)
  createRoot(root).render(<App store={createStore({ explain })} outdated={outdated} />)
  void loadLaterParts()
  registerShell(() => outdated.set(true))
}

const root = document.getElementById('root')
if (root) void start(root)
