/**
 * Letters in the styles of mathematics. Browsers know no other `mathvariant` than `normal`: what was bold or
 * double-struck becomes the letter of Unicode that is. (Unicode 16, block "Mathematical Alphanumeric Symbols".)
 */

interface Alphabet {
  upper: number
  lower: number
  digits?: number
}

const ALPHABETS: Readonly<Record<string, Alphabet>> = {
  bold: { upper: 0x1d400, lower: 0x1d41a, digits: 0x1d7ce },
  italic: { upper: 0x1d434, lower: 0x1d44e },
  'bold-italic': { upper: 0x1d468, lower: 0x1d482 },
  script: { upper: 0x1d49c, lower: 0x1d4b6 },
  'bold-script': { upper: 0x1d4d0, lower: 0x1d4ea },
  fraktur: { upper: 0x1d504, lower: 0x1d51e },
  'double-struck': { upper: 0x1d538, lower: 0x1d552, digits: 0x1d7d8 },
  'bold-fraktur': { upper: 0x1d56c, lower: 0x1d586 },
  'sans-serif': { upper: 0x1d5a0, lower: 0x1d5ba, digits: 0x1d7e2 },
  'bold-sans-serif': { upper: 0x1d5d4, lower: 0x1d5ee, digits: 0x1d7ec },
  'sans-serif-italic': { upper: 0x1d608, lower: 0x1d622 },
  'sans-serif-bold-italic': { upper: 0x1d63c, lower: 0x1d656 },
  monospace: { upper: 0x1d670, lower: 0x1d68a, digits: 0x1d7f6 },
}

/** Letters that were in Unicode before the block, at the place that it leaves empty. */
const ELSEWHERE: Readonly<Record<number, string>> = {
  119893: 'ℎ',
  119965: 'ℬ',
  119968: 'ℰ',
  119969: 'ℱ',
  119971: 'ℋ',
  119972: 'ℐ',
  119975: 'ℒ',
  119976: 'ℳ',
  119981: 'ℛ',
  119994: 'ℯ',
  119996: 'ℊ',
  120004: 'ℴ',
  120070: 'ℭ',
  120075: 'ℌ',
  120076: 'ℑ',
  120085: 'ℜ',
  120093: 'ℨ',
  120122: 'ℂ',
  120127: 'ℍ',
  120133: 'ℕ',
  120135: 'ℙ',
  120136: 'ℚ',
  120137: 'ℝ',
  120145: 'ℤ',
}

/** Gives the text in the style that MathML calls `variant`; as it is where the style is none of these. */
export function toMathAlphabet(text: string, variant: string | undefined): string {
  const alphabet = variant === undefined ? undefined : ALPHABETS[variant]
  return alphabet ? Array.from(text, (letter) => style(letter, alphabet)).join('') : text
}

function style(letter: string, alphabet: Alphabet): string {
  const code = letter.charCodeAt(0)
  if (letter.length !== 1) return letter
  if (code >= 0x41 && code <= 0x5a) return fromPlace(alphabet.upper + code - 0x41)
  if (code >= 0x61 && code <= 0x7a) return fromPlace(alphabet.lower + code - 0x61)
  if (code >= 0x30 && code <= 0x39 && alphabet.digits) return fromPlace(alphabet.digits + code - 0x30)
  return letter
}

function fromPlace(place: number): string {
  return ELSEWHERE[place] ?? String.fromCodePoint(place)
}
