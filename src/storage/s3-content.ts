import type { Readable } from 'node:stream'
import { objectShort, partNotGiven } from './object-problems.ts'
import { attemptsMax } from './s3-client.ts'

interface Part {
  key: string
  offset: number
  end: number
  /** The body of this part. */
  body: Readable
  /** Asks for what is left of it, from `offset`. */
  reopen: (offset: number) => Promise<Readable>
}

/**
 * Reads a part of an object. A body that stands still is destroyed, whoever is slow: the network, the server or the reader; the rest is
 * asked for when it is wanted. So neither slow nor forgotten readers hold connections, and servers that give up on them do no harm.
 */
export async function * readPart ({ key, offset, end, body: first, reopen }: Part): AsyncGenerator<Uint8Array> {
  let at = offset
  for (let body = first, left = attemptsMax; ; body = await reopen(at)) {
    try {
      for await (const chunk of body) {
        at += chunk.length
        if (at > end) throw partNotGiven(key)
        left = attemptsMax
        yield chunk
      }
      if (at < end) throw objectShort(key, end)
      return
    } catch (error) {
      if (at >= end || --left === 0) throw error
    }
  }
}
