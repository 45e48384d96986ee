/**
 * The words of the page, in the language that the person wants. English is always there; another is loaded when wanted.
 */
import { createContext, use } from 'react'
import { en, type Language, type Strings } from './en'

export type { Language, Strings } from './en'

/** The languages of the page, and what they call themselves. */
export const LANGUAGES: Readonly<Record<Language, string>> = { en: 'English', de: 'Deutsch' }

/** Gives the first language of a list of tags that the page speaks; English where there is none. */
export function chooseLanguage(wanted: readonly string[]): Language {
  for (const tag of wanted) {
    const language = tag.toLowerCase().split('-')[0]
    if (language === 'en' || language === 'de') return language
  }
  return 'en'
}

const loaded = new Map<Language, Strings>([['en', en]])

/** Loads the table of a language; English where that fails. */
export async function loadStrings(language: Language): Promise<Strings> {
  const known = loaded.get(language)
  if (known) return known
  try {
    const { de } = await import('./de')
    loaded.set('de', de)
    return de
  } catch {
    return en
  }
}

/** Gives a table that was loaded before; English where it was not. */
export function loadedStrings(language: Language): Strings {
  return loaded.get(language) ?? en
}

/** Holds the words for all components below. */
export const StringsContext = createContext<Strings>(en)

/** Gives the words of the page. */
export function useStrings(): Strings {
  return use(StringsContext)
}

/** Gives the tag of the page's language, for numbers and dates. */
export function useLanguage(): Language {
  return useStrings().language
}
