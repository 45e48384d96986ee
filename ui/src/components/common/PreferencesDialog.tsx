/**
 * How the page looks and speaks.
 */
import { type ReactNode, useId } from 'react'
import { LANGUAGES, type Language, useStrings } from '../../strings'
import { Dialog } from './Dialog'
import type { Preferences, Theme } from './preferences'

interface PreferencesDialogProps {
  preferences: Preferences
  onChange: (change: Partial<Preferences>) => void
  onClose: () => void
}

const THEMES: readonly Theme[] = ['system', 'light', 'dark']

/** Draws the dialog; a choice is seen at once. */
export function PreferencesDialog({ preferences, onChange, onClose }: PreferencesDialogProps): ReactNode {
  const words = useStrings()
  const id = useId()
  return (
    <Dialog title={words.preferences.title} onClose={onClose}>
      <div className="fields">
        <fieldset className="choices">
          <legend>{words.preferences.theme}</legend>
          {THEMES.map((theme) => (
            <label key={theme}>
              <input
                type="radio"
                name={`${id}-theme`}
                checked={preferences.theme === theme}
                onChange={() => onChange({ theme })}
              />
              {words.preferences[theme]}
            </label>
          ))}
        </fieldset>
        <fieldset className="choices">
          <legend>{words.preferences.language}</legend>
          {Object.entries(LANGUAGES).map(([language, name]) => (
            <label key={language} lang={language}>
              <input
                type="radio"
                name={`${id}-language`}
                checked={preferences.language === language}
                onChange={() => onChange({ language: language as Language })}
              />
              {name}
            </label>
          ))}
        </fieldset>
      </div>
    </Dialog>
  )
}
