/**
 * What an answer may consist of on the page, for tests: an allow-list of elements, attributes and addresses.
 */

const MATH = `math semantics annotation mtext mn mo mi mspace mover munder munderover msup msub msubsup mfrac mroot
  msqrt mtable mtr mtd mrow mstyle mpadded mphantom`
const ELEMENTS = new Set(
  `div p h3 h4 h5 h6 ul ol li blockquote hr section table thead tbody tr th td strong em del code br a span figure
   figcaption pre button input iframe ${MATH}`.split(/\s+/),
)
const ATTRIBUTES = new Set(`class dir tabindex aria-label role type title start scope`.split(' '))
const MATH_ATTRIBUTES = new Set(
  `class accent accentunder depth display displaystyle encoding fence height largeop linethickness lspace mathbackground
   mathcolor mathsize mathvariant maxsize minsize rspace scriptlevel separator stretchy voffset width xmlns`.split(
    /\s+/,
  ),
)
const OWN: Readonly<Record<string, readonly string[]>> = {
  a: ['href', 'target', 'rel'],
  input: ['checked', 'disabled', 'readonly'],
  iframe: ['src', 'sandbox', 'referrerpolicy', 'loading'],
}
const MATH_ELEMENTS = new Set(MATH.split(/\s+/))

/** Gives what is in the element and not allowed there, in words; an empty list is what every text must give. */
export function findForbidden(container: Element): string[] {
  return [...container.querySelectorAll('*')].flatMap((element) => {
    const name = element.localName
    const wrong = ELEMENTS.has(name) ? [] : [`element ${name}`]
    for (const { name: attribute, value } of element.attributes) {
      if (!isAllowed(name, attribute)) wrong.push(`${name} has ${attribute}="${value.slice(0, 100)}"`)
    }
    return [...wrong, ...findWrongValues(element)]
  })
}

function isAllowed(element: string, attribute: string): boolean {
  if (MATH_ELEMENTS.has(element)) return MATH_ATTRIBUTES.has(attribute)
  return ATTRIBUTES.has(attribute) || (OWN[element]?.includes(attribute) ?? false)
}

function findWrongValues(element: Element): string[] {
  if (element.localName === 'a') {
    const { protocol } = element as HTMLAnchorElement
    const isSafe =
      ['http:', 'https:', 'mailto:'].includes(protocol) &&
      element.getAttribute('rel') === 'noopener noreferrer'
    return isSafe ? [] : [`a leads to ${element.getAttribute('href')}`]
  }
  if (element.localName === 'iframe') {
    const isOurs =
      element.getAttribute('src') === '/mermaid.html' && element.getAttribute('sandbox') === 'allow-scripts'
    return isOurs ? [] : [`a frame of ${element.getAttribute('src')}`]
  }
  return element.localName === 'input' && element.getAttribute('type') !== 'checkbox' ? ['an input'] : []
}
