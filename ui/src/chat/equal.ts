/**
 * Compares values as JSON would write them.
 */

/** Tells whether two values of plain objects, lists, texts and numbers say the same. */
export function isEqual(one: unknown, other: unknown): boolean {
  if (Object.is(one, other)) return true
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) return false
  if (Array.isArray(one) !== Array.isArray(other)) return false
  const left = Object.entries(one)
  const right = new Map<string, unknown>(Object.entries(other))
  if (left.length !== right.size) return false
  return left.every(([name, value]) => right.has(name) && isEqual(value, right.get(name)))
}
