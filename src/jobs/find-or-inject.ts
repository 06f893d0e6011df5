import { setTimeout as delay } from 'node:timers/promises'
import { asProblem, Problem } from '#core/errors.ts'
import type { Session } from '#core/session.ts'
import { containerNameOf, type PodSummary } from '#core/target.ts'
import { v7 as uuidv7 } from 'uuid'
import type { Context } from './context.ts'
import { digestOf } from './digest-of.ts'
import type { PodPlan } from './preflight.ts'
import { demandBudget } from './preflight-rules.ts'

export interface Wish {
  plan: PodPlan
  /** Name on the operator's list, and the reference that a new container runs. */
  image: { name: string, reference: string }
  username: string
}

export interface Found { session: Session, reused: boolean }

const leaseSeconds = 60
const leaseWaitMs = 30_000
const leaseRetryMs = 50

export const hasContainer = (pod: PodSummary, session: Session): boolean =>
  pod.ephemeral.some(({ name }) => name === session.ephemeralContainer)

/**
 * The living session of a key with its container in the pod. One worker at a time injects into a pod. What a killed one has left, a row
 * without a container, is completed: injecting is idempotent by the container's name.
 */
export async function findOrInject (context: Context, wish: Wish): Promise<Found> {
  const { database: { leases, sessions }, reader, policy } = context
  const { pod: seen, key } = wish.plan
  const lease = `inject:${seen.uid}`
  const holder = uuidv7()
  await acquireLease(context, lease, holder, seen.name)
  try {
    const [living, pod] = await Promise.all([sessions.findLiving(key), reader.pod(seen.namespace, seen.name)])
    if (!pod || pod.uid !== seen.uid) {
      throw new Problem('EPH_POD_GONE', `Cannot inject into pod "${seen.name}": it ${pod ? 'was replaced' : 'is gone'}`, { effect: 'none' })
    }
    if (living && hasContainer(pod, living)) return { session: living, reused: true }
    demandBudget(pod, policy)
    const session = await unfinished(context, wish, living) ?? await openRow(context, wish)
    await inject(context, wish, session)
    return { session, reused: false }
  } finally {
    await leases.release(lease, holder)
  }
}

async function acquireLease ({ database: { leases } }: Context, lease: string, holder: string, pod: string): Promise<void> {
  const until = performance.now() + leaseWaitMs
  while (!await leases.acquire(lease, holder, leaseSeconds)) {
    if (performance.now() > until) throw new Problem('EPH_CHANNEL_LOST', `Cannot inject into pod "${pod}": another injection has not ended`)
    await delay(leaseRetryMs)
  }
}

/** A row without a container, if what it says is what would be injected now. */
async function unfinished ({ database: { sessions } }: Context, { image }: Wish, living: Session | null): Promise<Session | null> {
  if (!living || living.imageDigest === digestOf(image.reference)) return living
  await sessions.close(living.id, 'never injected')
  return null
}

async function openRow ({ database: { sessions } }: Context, { plan: { pod, key }, image, username }: Wish): Promise<Session> {
  const id = uuidv7()
  const { profile, purpose, sharedContainer } = key
  const session = await sessions.open({
    id,
    pod,
    ephemeralContainer: containerNameOf(id),
    image: image.name,
    imageDigest: digestOf(image.reference),
    profile,
    purpose,
    sharedContainer,
    sharesProcesses: sharedContainer !== null || pod.shareProcessNamespace,
    openedBy: username
  })
  // The lease makes this rare: it had run out while its holder still lived.
  return session ?? await sessions.findLiving(key) ?? lostRace(pod.name)
}

function lostRace (pod: string): never {
  throw new Problem('EPH_CHANNEL_LOST', `Cannot inject into pod "${pod}": another worker has just done so`)
}

async function inject (context: Context, { plan: { pod, key }, image }: Wish, session: Session): Promise<void> {
  const { database: { sessions }, injector } = context
  const { profile, sharedContainer } = key
  try {
    await injector.inject(pod, { name: session.ephemeralContainer, image: image.reference, profile, sharedContainer })
  } catch (error) {
    const problem = asProblem(error)
    // Refused: there is no container. Whether one came of a call without an answer, the next reading of the pod shows.
    if (problem.status < 500) await sessions.close(session.id, `not injected: ${problem.message}`)
    throw error
  }
}
