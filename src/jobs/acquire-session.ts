import { setTimeout as delay } from 'node:timers/promises'
import { asProblem, Problem } from '#core/errors.ts'
import type { Channel, ContainerPlace } from '#core/ports/channel.ts'
import type { Session } from '#core/session.ts'
import { containerNameOf } from '#core/target.ts'
import { v7 as uuidv7 } from 'uuid'
import type { Context } from './context.ts'
import { digestOf, type PodPlan } from './preflight.ts'
import { demandBudget } from './preflight-rules.ts'

export interface Acquired { session: Session, place: ContainerPlace, channel: Channel, reused: boolean }

export interface Wish {
  plan: PodPlan
  /** Name on the operator's list, and the reference that a new container runs. */
  image: { name: string, reference: string }
  username: string
  signal: AbortSignal
}

const leaseSeconds = 60
const leaseTries = 600
const leaseRetryMs = 50

/** What says that the container of a session can never be used again. */
const deadContainer = new Set(['EPH_CONTAINER_NOT_STARTED', 'EPH_IMAGE_PULL', 'EPH_IMAGE_WITHOUT_RUNNER', 'EPH_OUT_OF_MEMORY', 'EPH_POD_GONE'])

/** A channel to a living session of this key, or to a new one: its row comes first, then its container. */
export async function acquireSession (context: Context, wish: Wish): Promise<Acquired> {
  const living = wish.plan.session ?? await context.database.sessions.findLiving(wish.plan.key)
  if (living) {
    const acquired = await reuse(context, living, wish)
    if (acquired) return acquired
  }
  return await openNew(context, wish)
}

const placeOf = ({ plan: { pod } }: Wish, session: Session): ContainerPlace =>
  ({ namespace: pod.namespace, pod: pod.name, podUid: pod.uid, node: pod.node, container: session.ephemeralContainer })

/** Null where the container turned out to have ended: then the row is closed. */
async function reuse (context: Context, session: Session, wish: Wish): Promise<Acquired | null> {
  const place = placeOf(wish, session)
  try {
    return { session, place, channel: await context.channels.open(place, wish.signal), reused: true }
  } catch (error) {
    const problem = asProblem(error)
    wish.signal.throwIfAborted()
    if (problem.code === 'EPH_POD_GONE' || !await hasEnded(context, place, problem)) throw error
    await context.database.sessions.close(session.id, problem.message)
    return null
  }
}

async function hasEnded ({ channels }: Context, place: ContainerPlace, problem: Problem): Promise<boolean> {
  if (deadContainer.has(problem.code)) return true
  return ['oom', 'containerEnded'].includes(await channels.postMortem(place))
}

/** Only one worker at a time injects into a pod; whoever comes later finds the first one's session. */
async function openNew (context: Context, wish: Wish): Promise<Acquired> {
  const { database } = context
  const { pod, key } = wish.plan
  const lease = `inject:${pod.uid}`
  const holder = uuidv7()
  for (let tries = 0; ; tries++) {
    wish.signal.throwIfAborted()
    if (await database.leases.acquire(lease, holder, leaseSeconds)) break
    if (tries >= leaseTries) throw new Problem('EPH_CHANNEL_LOST', `Cannot inject into pod "${pod.name}": another injection has not ended`)
    await delay(leaseRetryMs, undefined, { signal: wish.signal })
  }
  let session: Session
  try {
    const other = await database.sessions.findLiving(key)
    session = other ?? await inject(context, wish)
    if (other) return { ...await connect(context, other, wish), reused: true }
  } finally {
    await database.leases.release(lease, holder)
  }
  return { ...await connect(context, session, wish), reused: false }
}

async function inject (context: Context, { plan, image, username, signal }: Wish): Promise<Session> {
  const { database, injector, policy } = context
  const { pod, key } = plan
  demandBudget(pod, policy)
  const id = uuidv7()
  const container = { name: containerNameOf(id), image: image.reference, profile: key.profile, sharedContainer: key.sharedContainer }
  const session = await database.sessions.open({
    id,
    pod,
    ephemeralContainer: container.name,
    image: image.name,
    imageDigest: digestOf(image.reference),
    profile: key.profile,
    purpose: key.purpose,
    sharedContainer: key.sharedContainer,
    sharesProcesses: key.sharedContainer !== null || pod.shareProcessNamespace,
    openedBy: username
  })
  // The lease makes this rare: it had run out while its holder still lived.
  if (!session) throw new Problem('EPH_CHANNEL_LOST', `Cannot inject into pod "${pod.name}": another worker has just done so`)
  try {
    await injector.inject(pod, container, signal)
  } catch (error) {
    await database.sessions.close(id, `not injected: ${asProblem(error).message}`)
    throw error
  }
  return session
}

async function connect (context: Context, session: Session, wish: Wish): Promise<Omit<Acquired, 'reused'>> {
  const place = placeOf(wish, session)
  try {
    const channel = await context.channels.open(place, wish.signal)
    await context.database.sessions.opened(session.id)
    return { session, place, channel }
  } catch (error) {
    const problem = asProblem(error)
    if (deadContainer.has(problem.code)) await context.database.sessions.close(session.id, problem.message)
    throw error
  }
}
