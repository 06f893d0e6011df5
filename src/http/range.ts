export interface ByteRange { start: number, end: number }

/**
 * The one range that is asked for, as [start, end); null where the whole is to be sent: no range, several, another unit, or a header that
 * cannot be read, which RFC 9110 says to ignore. 'outside' where it begins beyond the end.
 */
export function readRange (header: string | undefined, size: number): ByteRange | 'outside' | null {
  const match = /^bytes=\s*(\d{0,15})-(\d{0,15})\s*$/i.exec(header ?? '')
  if (!match || (match[1] === '' && match[2] === '')) return null
  const [, first = '', last = ''] = match
  if (first === '') {
    const length = Math.min(Number(last), size)
    return length === 0 ? 'outside' : { start: size - length, end: size }
  }
  const start = Number(first)
  if (last !== '' && Number(last) < start) return null
  return start >= size ? 'outside' : { start, end: last === '' ? size : Math.min(Number(last) + 1, size) }
}
