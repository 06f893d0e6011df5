import { DeleteObjectCommand } from '@aws-sdk/client-s3'
import { createBreaker } from '#core/breaker.ts'
import { Problem } from '#core/errors.ts'
import type { Readable } from 'node:stream'
import type { Bucket } from '#core/ports/bucket.ts'
import { checkKey } from './object-key.ts'
import { objectMissing, objectShort, objectTaken, partNotGiven } from './object-problems.ts'
import { createS3Client, fetchFrom, type S3Options } from './s3-client.ts'
import { readPart } from './s3-content.ts'
import { isAway, isNoObject, s3Problem, statusOf } from './s3-problem.ts'
import { createS3Store } from './s3-store.ts'
import { within } from './within.ts'

export interface S3Times {
  /** A call is given up after this time, its repetitions included. */
  callMs: number
  /** A connection on which nothing moves is given up after this time. */
  silenceMs: number
}

const defaultTimes: S3Times = { callMs: 30_000, silenceMs: 10_000 }

export interface S3BucketOptions extends S3Options {
  /** What every key begins with in the bucket. */
  prefix?: string | undefined
  times?: Partial<S3Times>
  /** Called with the reason when the store is taken for away, and with null when it answers again. */
  changed?: ((why: unknown) => void) | undefined
}

export interface S3Bucket extends Bucket {
  /** Closes the connections. */
  close (): void
}

/** Objects of a bucket, of any server that speaks S3. The account needs s3:GetObject, PutObject, DeleteObject and ListBucket. */
export function createS3Bucket ({ prefix = '', times, changed, ...options }: S3BucketOptions): S3Bucket {
  const { callMs, silenceMs } = { ...defaultTimes, ...times }
  const { bucket } = options
  // Connections of their own: slow downloads must not hold evidence back.
  const writing = createS3Client(options, silenceMs)
  const reading = createS3Client(options, silenceMs)
  const fetchObject = fetchFrom(reading, bucket)
  const store = createS3Store({ client: writing, bucket, fetchObject })

  function keyOf (key: string): string {
    checkKey(key)
    return prefix + key
  }

  async function bounded<T> (doing: string, boundMs: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    try {
      return await within(boundMs, work)
    } catch (error) {
      throw s3Problem(doing, error)
    }
  }

  /** Asks for an object that is not there: unlike the answer to a HEAD, this one says in words what is wrong. */
  const probe = () => bounded(`use the bucket "${bucket}"`, Math.min(callMs, silenceMs), async signal => {
    try {
      const { body } = await fetchObject(`${prefix}.check`, signal)
      body.destroy()
    } catch (error) {
      if (!isNoObject(error)) throw error
    }
  })
  const breaker = createBreaker({ isOutage: isAway, probe, changed })

  const call = <T>(doing: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> =>
    breaker.through(() => bounded(doing, callMs, work), why => s3Problem(doing, why instanceof Problem ? why.cause : why))

  function openPart (key: string, offset: number, end: number): Promise<Readable> {
    return call(`read the object "${key}"`, async signal => {
      try {
        const { body, range } = await fetchObject(keyOf(key), signal, `bytes=${offset}-${end - 1}`)
        if (range?.startsWith(`bytes ${offset}-${end - 1}/`)) return body
        body.destroy()
        throw range === undefined ? partNotGiven(key) : objectShort(key, end)
      } catch (error) {
        if (isNoObject(error)) throw objectMissing(key, error)
        if (statusOf(error) === 416) throw objectShort(key, end, error)
        throw error
      }
    })
  }

  async function * read (key: string, offset: number, end: number, body: Readable): AsyncGenerator<Uint8Array> {
    try {
      yield * readPart({ key, offset, end, body, reopen: at => openPart(key, at, end) })
    } catch (error) {
      throw s3Problem(`read the object "${key}"`, error)
    }
  }

  return {
    put: (key, bytes, sha256) => call(`store the object "${key}"`, async signal => {
      if (!await store({ key: keyOf(key), bytes, sha256, signal })) throw objectTaken(key)
    }),

    async get (key, offset, length) {
      checkKey(key)
      if (length === 0) return (async function * () {})()
      return read(key, offset, offset + length, await openPart(key, offset, offset + length))
    },

    delete: key => call(`delete the object "${key}"`, async abortSignal => {
      await writing.send(new DeleteObjectCommand({ Bucket: bucket, Key: keyOf(key) }), { abortSignal })
    }),

    check: breaker.check,

    close () {
      breaker.close()
      writing.destroy()
      reading.destroy()
    }
  }
}
