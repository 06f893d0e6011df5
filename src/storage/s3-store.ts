import { PutObjectCommand, type S3Client } from '@aws-sdk/client-s3'
import { createHash } from 'node:crypto'
import { sameBytes } from './same-bytes.ts'
import type { FetchObject } from './s3-client.ts'
import { isNoObject, statusOf } from './s3-problem.ts'

interface Put { key: string, bytes: Uint8Array, sha256: string | undefined, signal: AbortSignal }
type Upload = Omit<Put, 'sha256'> & { digest: Buffer }

const conditionUnmet = 412
const notImplemented = 501

/** Stores an object once; answers false where its key holds other bytes. */
export function createS3Store ({ client, bucket, fetchObject }: { client: S3Client, bucket: string, fetchObject: FetchObject }) {
  let takesConditions = true
  let comparesChecksums = false

  async function upload ({ key, bytes, digest, signal }: Upload, condition: { IfNoneMatch?: string }): Promise<void> {
    const checksum = digest.toString('base64')
    const command = new PutObjectCommand({ Bucket: bucket, Key: key, Body: bytes, ChecksumSHA256: checksum, ...condition })
    // The signature covers the checksum. With the payload's hash in it too, as the SDK has it, both sides hash everything once more.
    const payload = comparesChecksums ? 'UNSIGNED-PAYLOAD' : digest.toString('hex')
    command.middlewareStack.add(next => async args => {
      const { headers } = args.request as { headers: Record<string, string> } // an HttpRequest: "build" comes after "serialize"
      headers['x-amz-content-sha256'] = payload
      return await next(args)
    }, { step: 'build', name: 'payloadHash' })
    const refused = new AbortController()
    try {
      const { ChecksumSHA256 } = await client.send(command, { abortSignal: AbortSignal.any([signal, refused.signal]) })
      // Only who has compared a checksum says it again; others may not even know it.
      comparesChecksums = ChecksumSHA256 === checksum
    } catch (error) {
      // A server may refuse before it has read everything: the rest must not be sent from a buffer that is no longer ours.
      refused.abort()
      throw error
    }
  }

  /** Null where there is no such object. */
  async function holds ({ key, bytes, signal }: Upload): Promise<boolean | null> {
    try {
      const { body } = await fetchObject(key, signal)
      return await sameBytes(body, bytes)
    } catch (error) {
      if (isNoObject(error)) return null
      throw error
    }
  }

  async function storeConditionally (object: Upload): Promise<boolean> {
    try {
      await upload(object, { IfNoneMatch: '*' })
      return true
    } catch (error) {
      // Perhaps it is there already, by an upload whose answer was lost. Servers that refuse before they have read everything may close
      // the connection, and with it goes their answer, too.
      const status = statusOf(error)
      const held = status === conditionUnmet || status === undefined ? await holds(object) : null
      if (held === null) throw error
      return held
    }
  }

  return async ({ sha256, ...rest }: Put): Promise<boolean> => {
    const digest = sha256 === undefined ? createHash('sha256').update(rest.bytes).digest() : Buffer.from(sha256, 'hex')
    const object = { ...rest, digest }
    if (takesConditions) {
      try {
        return await storeConditionally(object)
      } catch (error) {
        if (statusOf(error) !== notImplemented) throw error
        takesConditions = false
      }
    }
    // Such a server cannot keep two writers apart; ours write different keys.
    const held = await holds(object)
    if (held === null) await upload(object, {})
    return held ?? true
  }
}
