import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import type { Test } from 'tap'
import type { Job } from '#core/job.ts'
import { createClient, type Client } from '../../support/client.ts'
import { kubectl, readPod } from '../../support/lab.ts'
import { requestOf, type Kind } from '../commands.ts'
import { supervise, type Supervised } from '../process.ts'
import { environment } from '../run-plan.ts'
import { makePlace, startServers, type Place, type Servers } from '../servers.ts'
import { openTally, type Execution } from '../tally.ts'

export interface Stage {
  servers: Servers
  place: Place
  api: Supervised
  workers: Supervised[]
  /** A caller who may do everything with jobs. */
  client: Client
  executions: Execution[]
  db: pg.Client
  /** Launches a command of the suite in a pod of its own; each has another word. */
  launch (kind: Kind, options?: { seconds?: number, lines?: number, pod?: string }): Promise<{ job: Job, word: string, pod: string }>
  /** Resolves once its tool has said that it runs. */
  executed (word: string, times?: number): Promise<void>
  /** Moves the lease of what is claimed back, as if its time had passed. */
  loseLeases (): Promise<void>
}

let words = 0

/** One API and as many workers as wanted, on real servers and the lab; gone with the test. */
export async function openStage (t: Test, { workers: count, pods }: { workers: number, pods: number }): Promise<Stage> {
  const tally = await openTally(t)
  const servers = await startServers(t)
  const starting = Promise.all([
    supervise(t, { name: 'api', role: 'server', servers, env: environment }),
    ...Array.from({ length: count }, (_, nth) =>
      supervise(t, { name: `worker-${nth}`, role: 'worker', servers, env: environment }))
  ])
  starting.catch(() => {}) // met below
  const place = makePlace(t, { pods, callers: 1 })
  const [api, ...workers] = await starting
  const db = new pg.Client({ connectionString: servers.postgres })
  await db.connect()
  t.teardown(() => db.end())
  const client = createClient({ url: api!.url, token: place.tokens[0]! })
  const seed = Date.now() % 1_000_000

  return {
    servers,
    place,
    api: api!,
    workers,
    client,
    executions: tally.executions,
    db,
    async launch (kind, { seconds = 2, lines = 10, pod = place.pods[words % pods]! } = {}) {
      const word = `w${seed}x${words++}x`
      const target = { namespace: place.namespace, pod }
      const job = await client.launch({ ...requestOf({ kind, word, seconds, lines }, tally.address), target })
      return { job, word, pod }
    },
    async executed (word, times = 1) {
      for (const end = Date.now() + 60_000; tally.executions.filter(execution => execution.word === word).length < times;) {
        if (Date.now() > end) throw new Error(`${word} did not run ${times} times within a minute`)
        await delay(20)
      }
    },
    async loseLeases () { await db.query("UPDATE job_pod SET lease_until = now() - interval '1 second' WHERE state = 'running'") }
  }
}

export const containersOf = ({ place: { namespace } }: Stage, pod: string): string[] =>
  (readPod(namespace, pod).spec.ephemeralContainers ?? []).map(({ name }) => name)

export const deletePod = ({ place: { namespace } }: Stage, pod: string) => kubectl('delete', 'pod', '-n', namespace, pod, '--now')

export const errorOf = (job: Job) => job.pods.items[0]!.error?.code ?? null
export const runsOf = (job: Job) => job.pods.items[0]!.runs
