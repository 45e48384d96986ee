/**
 * Draws one scene, named by the address: /src/components/testing/gallery.html?scene=talk
 */
import { createRoot } from 'react-dom/client'
import { App } from '../../App'
import { Cell } from '../../chat/cell'
import { loadStrings } from '../../strings'
import { readPreferences } from '../common/preferences'
import '../../styles/tokens.css'
import '../../styles/base.css'
import '../../styles/common.css'
import '../../styles/talk.css'
import '../../styles/read.css'
import '../../styles/know.css'
import '../../styles/keep.css'
import { makeScene } from './scenes'

const root = document.getElementById('root')
const scene = new URLSearchParams(location.search).get('scene') ?? 'empty'
await loadStrings(readPreferences().language)
if (root) createRoot(root).render(<App store={makeScene(scene)} outdated={new Cell(false)} />)
