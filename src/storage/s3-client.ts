import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { Readable } from 'node:stream'

export interface S3Options {
  bucket: string
  region: string
  /** Of a server other than AWS. */
  endpoint?: string | undefined
  /** By default those of the environment, the profile or the machine's role. */
  credentials?: { accessKeyId: string, secretAccessKey: string, sessionToken?: string } | undefined
  /** http://server/bucket/key instead of http://bucket.server/key; by default with an endpoint. */
  forcePathStyle?: boolean | undefined
}

export const attemptsMax = 3
const connectMs = 5000
const socketsMax = 64

export function createS3Client ({ region, endpoint, credentials, forcePathStyle }: S3Options, silenceMs: number): S3Client {
  const agent = { keepAlive: true, maxSockets: socketsMax }
  return new S3Client({
    region,
    forcePathStyle: forcePathStyle ?? endpoint !== undefined,
    ...(endpoint !== undefined && { endpoint }),
    ...(credentials && { credentials }),
    maxAttempts: attemptsMax,
    // With Expect: 100-continue the SDK makes a connection for each upload.
    expectContinueHeader: false,
    // Parts of an object have no checksum, and some servers send that of the whole.
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: { connectionTimeout: connectMs, socketTimeout: silenceMs, httpAgent: agent, httpsAgent: agent }
  })
}

export type FetchObject = (key: string, signal: AbortSignal, range?: string) => Promise<{ body: Readable, range: string | undefined }>

/** Asks for objects. A body is read or destroyed by whoever asked. */
export function fetchFrom (client: S3Client, bucket: string): FetchObject {
  return async (Key, abortSignal, Range) => {
    const command = new GetObjectCommand({ Bucket: bucket, Key, ...(Range !== undefined && { Range }) })
    const { Body, ContentRange } = await client.send(command, { abortSignal })
    if (!(Body instanceof Readable)) throw new TypeError('The S3 client gave no stream')
    Body.on('error', () => {}) // what fails before it is read is met by reading it
    return { body: Body, range: ContentRange }
  }
}
