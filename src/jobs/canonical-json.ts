/** JSON with its keys in order, so that two requests that mean the same have the same text. */
export function canonicalJson (value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (value === null || typeof value !== 'object') return JSON.stringify(value)
  const fields = Object.entries(value).filter(([, content]) => content !== undefined).sort(([a], [b]) => a < b ? -1 : 1)
  return `{${fields.map(([key, content]) => `${JSON.stringify(key)}:${canonicalJson(content)}`).join(',')}}`
}
