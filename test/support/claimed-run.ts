import { randomUUID } from 'node:crypto'
import { v7 as uuidv7 } from 'uuid'
import type { Claim, Database, RunDraft } from '#core/ports/storage.ts'
import { draftJob } from './job-drafts.ts'

type Stores = Pick<Database, 'jobs' | 'runs'>

/** Launches and claims a job with one pod. Nothing else may wait in its database. */
export async function claimedJob ({ jobs }: Stores, rest: Parameters<typeof draftJob>[0] = {}): Promise<Claim> {
  await jobs.create(draftJob(rest))
  const [claim] = await jobs.claim('w', 1)
  return claim!
}

/** A run of a claim whose tool has started. */
export async function startedRun ({ runs }: Stores, claim: Claim, rest: Partial<RunDraft> = {}): Promise<RunDraft> {
  const { jobPodId, jobId, attempt, principal: { username } } = claim
  const what = { diagnostic: 'dns-lookup', argv: ['dig', 'orders.shop'], sessionId: randomUUID(), reused: false, username }
  const draft = { id: uuidv7(), jobPodId, jobId, attempt, ...what, ...rest }
  await runs.start(draft)
  await runs.started(draft.id)
  return draft
}
