import type { Catalogue } from '#core/diagnostic.ts'
import type { Authority } from '#core/ports/authority.ts'
import type { Channels } from '#core/ports/channel.ts'
import type { ClusterReader, Injector, Reviewer } from '#core/ports/cluster.ts'
import type { Bucket } from '#core/ports/bucket.ts'
import type { Database } from '#core/ports/storage.ts'
import type { Turns } from '#core/ports/turns.ts'
import type { Wake } from '#core/ports/wake.ts'
import type { Policy } from '#core/preflight.ts'

type Write = (fields: Record<string, unknown>, text: string) => void

/** The part of a pino logger that is used here. */
export interface Log { info: Write, warn: Write, error: Write }

/** Everything the use cases get from outside. */
export interface Context {
  database: Database
  bucket: Bucket
  reader: ClusterReader
  injector: Injector
  reviewer: Reviewer
  channels: Channels
  authority: Authority
  wake: Wake
  /** By node: injections and openings of channels. */
  turns: Turns
  catalogue: Catalogue
  policy: Policy
  log: Log
  /** Milliseconds of a clock that goes on while this process stands still. */
  now (): number
  /** Counts what should be seen in the metrics, as lost audit rows. */
  count (name: string): void
}
