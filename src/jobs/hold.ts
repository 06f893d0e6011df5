import { Problem } from '#core/errors.ts'
import type { Claim, Orders as Asked } from '#core/ports/storage.ts'
import type { Context } from './context.ts'

/** Part of a lease that is not counted on: clocks differ, and what is sent takes its time to the pod. */
const marginShare = 0.25

/**
 * Whether a claim is still ours, as far as this process can know. A process that stood still (stopped by a signal, or on a machine that had
 * no time for it) does not notice, but its lease ran on, and another attempt may have begun meanwhile.
 */
export function createHold ({ database: { jobs }, now }: Pick<Context, 'database' | 'now'>, claim: Claim, claimedAt: number) {
  const sureMs = claim.leaseSeconds * 1000 * (1 - marginShare)
  let heldAt = claimedAt

  /** The answer is as old as the question. */
  async function renew (): Promise<Asked> {
    const askedAt = now()
    const asked = await jobs.renew(claim)
    if (asked.held) heldAt = askedAt
    return asked
  }

  return {
    renew,
    /** True: what is done without a pause from here on is ours to do. */
    isSure: () => now() - heldAt < sureMs,
    /** Asks the database; rejects with EPH_CONFLICT where the claim is lost. */
    async prove (): Promise<void> {
      if ((await renew()).held) return
      throw new Problem('EPH_CONFLICT', `Cannot go on in pod "${claim.pod}": another attempt owns the measurement`, { effect: 'none' })
    }
  }
}
export type Hold = ReturnType<typeof createHold>
