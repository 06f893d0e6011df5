import { wordsOf } from './unavailable.ts'

type Write = (fields: Record<string, unknown>, text: string) => void

/** The part of a pino logger that is used here. */
export interface Log { info: Write, warn: Write }

/** A connection that comes and goes is told of so often at the most. */
const quietMs = 10_000

/** A line when Redis is lost and one when it is back, however often it is tried in vain meanwhile. */
export function createOutageLog (log?: Log) {
  let isTold = false
  let toldAt = -Infinity
  return {
    failed (error: unknown): void {
      if (isTold || performance.now() - toldAt < quietMs) return
      isTold = true
      toldAt = performance.now()
      log?.warn({ reason: wordsOf(error) }, 'Cannot reach Redis: work waits for the next sweep, until Redis answers again')
    },
    worked (): void {
      if (isTold) log?.info({}, 'Redis answers again')
      isTold = false
    }
  }
}
export type OutageLog = ReturnType<typeof createOutageLog>
