/** Whether a stored object is these bytes; reads no further than the first difference. */
export async function sameBytes (content: AsyncIterable<Uint8Array>, bytes: Uint8Array): Promise<boolean> {
  let at = 0
  for await (const part of content) {
    if (Buffer.compare(part, bytes.subarray(at, at + part.length)) !== 0) return false
    at += part.length
  }
  return at === bytes.length
}
