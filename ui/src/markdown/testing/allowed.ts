/**
 * What an answer may consist of on the page, for tests: an allow-list of elements, attributes and addresses.
 */

const HTML = 'http://www.w3.org/1999/xhtml'
const MATHML = 'http://www.w3.org/1998/Math/MathML'

const ELEMENTS = new Set(
  `div p h3 h4 h5 h6 ul ol li blockquote hr table thead tbody tr th td strong em del code br a span figure
   figcaption pre button input iframe`.split(/\s+/),
)
const MATH_ELEMENTS = new Set(
  `math semantics annotation mtext mn mo mi mspace mover munder munderover msup msub msubsup mfrac mroot msqrt mtable
   mtr mtd mrow mstyle mpadded mphantom`.split(/\s+/),
)

type Values = Readonly<Record<string, RegExp>>

const ANYTHING = /^/
const NOTHING = /^$/
/** Ours, and so no class that another part of the page gives a meaning to. */
const CLASSES = /^(?:(?:md|hl)(?:-[\w-]+)?(?: |$))*$/

const ATTRIBUTES: Values = {
  class: CLASSES,
  dir: /^(?:auto|ltr)$/,
  tabindex: /^0$/,
  role: /^(?:group|status)$/,
  'aria-label': ANYTHING,
  title: ANYTHING,
}
const OWN: Readonly<Record<string, Values>> = {
  a: { href: ANYTHING, target: /^_blank$/, rel: /^noopener noreferrer$/ },
  button: { type: /^button$/ },
  input: { type: /^checkbox$/, name: NOTHING, checked: NOTHING, disabled: NOTHING, readonly: NOTHING },
  iframe: {
    src: /^\/mermaid\.html$/,
    sandbox: /^allow-scripts$/,
    referrerpolicy: /^no-referrer$/,
    loading: /^lazy$/,
    style: /^(?:height: \d{1,4}px;)?$/,
  },
  ol: { start: /^\d{1,9}$/ },
  th: { scope: /^col$/ },
}
const MATH_ATTRIBUTES: Values = {
  ...Object.fromEntries(
    `accent accentunder depth display displaystyle encoding fence height largeop linethickness lspace mathbackground
     mathcolor mathsize mathvariant maxsize minsize rspace scriptlevel separator stretchy voffset width`
      .split(/\s+/)
      .map((name) => [name, /^[\w\s#%./+-]*$/]),
  ),
  class: CLASSES,
  xmlns: new RegExp(`^${MATHML}$`),
}
const NEEDED: Readonly<Record<string, readonly string[]>> = {
  a: ['href', 'target', 'rel'],
  input: ['type', 'disabled'],
  iframe: ['src', 'sandbox'],
}
const SCHEMES = new Set(['http:', 'https:', 'mailto:'])

/** Gives what is in the element and not allowed there, in words; an empty list is what every text must give. */
export function findForbidden(container: Element): string[] {
  return [...container.querySelectorAll('*')].flatMap(findForbiddenIn)
}

/** Gives what is not allowed of one element, in words, whatever is in it. */
export function findForbiddenIn(element: Element): string[] {
  const { localName: name, namespaceURI: namespace } = element
  const isKnown =
    (namespace === HTML && ELEMENTS.has(name)) || (namespace === MATHML && MATH_ELEMENTS.has(name))
  const missing = NEEDED[name]?.filter((attribute) => !element.hasAttribute(attribute)) ?? []
  const isNested = name === 'a' && element.parentElement?.closest('a')
  return [
    ...(isKnown ? [] : [`element ${name} of ${namespace}`]),
    ...(isNested ? ['a link in a link'] : []),
    ...missing.map((attribute) => `${name} without ${attribute}`),
    ...[...element.attributes].flatMap((attribute) =>
      findForbiddenValue(element, attribute.name, attribute.value),
    ),
  ]
}

/** Gives why the element may not have that value of that attribute: now, or for a moment. */
export function findForbiddenValue(element: Element, attribute: string, value: string): string[] {
  const values =
    element.namespaceURI === MATHML ? MATH_ATTRIBUTES : { ...ATTRIBUTES, ...OWN[element.localName] }
  const isAllowed = Object.hasOwn(values, attribute) && values[attribute]?.test(value) === true
  const isFollowed = attribute !== 'href' || SCHEMES.has(URL.parse(value, document.baseURI)?.protocol ?? '')
  return isAllowed && isFollowed ? [] : [`${element.localName} has ${attribute}="${value.slice(0, 100)}"`]
}
