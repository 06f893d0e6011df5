import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { Type } from 'typebox'
import { Problem } from '#core/errors.ts'
import type { AnyDiagnostic } from '#core/diagnostic.ts'
import type { Database } from '#core/ports/storage.ts'
import type { Wake } from '#core/ports/wake.ts'
import { capture, captureOptions, lookup } from '../support/drive.ts'
import { app, createFakePorts } from '../support/fake-ports.ts'
import { examplePod } from '../support/recorded-probe.ts'
import { createRandom } from './random.ts'
import type { Schedule } from './schedule.ts'
import { playTools } from './tools.ts'

/** Containers that a pod may get in a schedule. */
export const budget = 4

const params = Type.Object({ word: Type.String({ maxLength: 20 }) }, { additionalProperties: false })
const twoTools: AnyDiagnostic['measure'] = async ({ word }, probe) => {
  await probe.run(['dig', String(word)])
  return { stdout: (await probe.run(['curl', String(word)])).stdout }
}
const diagnostics: AnyDiagnostic[] = [
  { ...lookup({ params }), measure: twoTools },
  { ...lookup({ params, name: 'once', retrySafe: false }), measure: twoTools },
  { ...capture({}, { params }), measure: async ({ word }, probe) => ({ ...await probe.capture(['tcpdump', String(word)], captureOptions) }) }
]

/** Wake-ups that are lost, late or heard by several, by seed. */
function createWake ({ seed, lostRings }: Schedule): Wake {
  const random = createRandom(seed, 'wake')
  const listeners = new Set<() => void>()
  return {
    async ring () {
      if (random.chance(lostRings)) return
      const all = [...listeners]
      const heard = random.chance(0.3) ? [...all, ...all] : [random.one(all)]
      await delay(random.integer(0, 5))
      for (const rung of heard) rung?.()
    },
    async listen (rung) {
      listeners.add(rung)
      return async () => { listeners.delete(rung) }
    },
    check: async () => {},
    close: async () => {}
  }
}

/** All that a schedule's processes share, on a real database: the pods of a cluster that fails, and answers what is not so, by seed. */
export function createWorld (schedule: Schedule, database: Database, trace: (line: string) => void) {
  const { seed, troubles } = schedule
  const catalogue = new Map(diagnostics.map(diagnostic => [diagnostic.name, diagnostic]))
  const ports = createFakePorts(catalogue, { budget, concurrency: schedule.concurrency })
  const { cluster, context } = ports
  cluster.pods = schedule.pods.map(name => examplePod({ name, uid: randomUUID(), containers: [app] }))
  const executions = playTools({ ports, seed, trace })
  const random = createRandom(seed, 'cluster')
  const unavailable = (what: string) => new Problem('EPH_CLUSTER_UNAVAILABLE', `Cannot ${what}: the API server does not answer`)

  const { reader: { pod: readPod }, injector: { inject } } = cluster
  const isThere = (uid: string, name: string) =>
    cluster.pods.some(pod => pod.uid === uid && pod.ephemeral.some(container => container.name === name))
  context.reader = {
    ...context.reader,
    async pod (...args) {
      if (random.chance(troubles)) throw unavailable('read the pod')
      return await readPod(...args)
    }
  }
  context.injector = {
    ...context.injector,
    async inject (pod, container) {
      const fate = random.weighed({ done: 12, doneUnheard: 3, notDone: 2, refused: 1 })
      trace(`inject ${container.name.slice(-6)} into ${pod.name}: ${fate}`)
      if (fate === 'refused') throw new Problem('EPH_ADMISSION_DENIED', 'Cannot inject: admission refuses it')
      if (fate !== 'notDone' && !isThere(pod.uid, container.name)) await inject(pod, container)
      if (fate !== 'done') throw unavailable('inject')
    }
  }
  return { ports, cluster, executions, context: { ...context, database, wake: createWake(schedule) } }
}
export type World = ReturnType<typeof createWorld>
