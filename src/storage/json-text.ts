/** Neither NUL nor half a surrogate pair can be stored as text in Postgres; both become U+FFFD: it shows that something was there. */
export const cleanText = (text: string): string => text.replaceAll('\0', '\uFFFD').toWellFormed()

const unclean = /\\u0000|\\ud[89a-f]/i

function cleanValue (value: unknown): unknown {
  if (typeof value === 'string') return cleanText(value)
  if (Array.isArray(value)) return value.map(cleanValue)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [cleanText(key), cleanValue(inner)]))
}

/** JSON that `jsonb` takes. */
export function toJsonText (value: unknown): string {
  const text = JSON.stringify(value)
  // JSON.stringify escapes exactly what is unclean; an escaped backslash before "u0000" only costs the second pass.
  return unclean.test(text) ? JSON.stringify(cleanValue(JSON.parse(text))) : text
}
