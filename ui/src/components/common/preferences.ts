/**
 * How the page looks and speaks: the person's choice, kept in this browser.
 */
import { useLayoutEffect, useState } from 'react'
import { chooseLanguage, type Language } from '../../strings'

/** `system` follows the device. */
export type Theme = 'system' | 'light' | 'dark'

/** What a person has chosen. */
export interface Preferences {
  theme: Theme
  language: Language
  /** Whether single keys do something outside of text. */
  singleKeys: boolean
}

const THEME_SLOT = 'outcrop.theme'
const LANGUAGE_SLOT = 'outcrop.language'
const KEYS_SLOT = 'outcrop.singleKeys'

/** Gives the choices and a way to change them; the document's theme and language follow. */
export function usePreferences(): [Preferences, (change: Partial<Preferences>) => void] {
  const [preferences, setPreferences] = useState(readPreferences)
  useLayoutEffect(() => {
    document.documentElement.lang = preferences.language
    if (preferences.theme === 'system') delete document.documentElement.dataset.theme
    else document.documentElement.dataset.theme = preferences.theme
  }, [preferences])
  const change = (wanted: Partial<Preferences>) => {
    setPreferences({ ...preferences, ...wanted })
    if (wanted.theme) write(THEME_SLOT, wanted.theme)
    if (wanted.language) write(LANGUAGE_SLOT, wanted.language)
    if (wanted.singleKeys !== undefined) write(KEYS_SLOT, wanted.singleKeys ? 'yes' : 'no')
  }
  return [preferences, change]
}

/** Gives what the person chose, or else what suits the browser. */
export function readPreferences(): Preferences {
  const theme = read(THEME_SLOT)
  const language = read(LANGUAGE_SLOT)
  return {
    theme: theme === 'light' || theme === 'dark' ? theme : 'system',
    language: chooseLanguage(language === null ? navigator.languages : [language]),
    singleKeys: read(KEYS_SLOT) !== 'no',
  }
}

/** Private windows may refuse storage: then a choice lasts as long as the page. */
function read(slot: string): string | null {
  try {
    return localStorage.getItem(slot)
  } catch {
    return null
  }
}

function write(slot: string, value: string): void {
  try {
    localStorage.setItem(slot, value)
  } catch {
    // See `read`.
  }
}
