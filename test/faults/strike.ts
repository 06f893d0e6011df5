import { setTimeout as delay } from 'node:timers/promises'
import type { FaultProxy } from '../support/fault-proxy.ts'
import type { HttpFault } from '../support/http-faults.ts'
import type { TestRedis } from '../support/redis.ts'
import { createRandom } from '../schedules/random.ts'
import type { answers } from './plan.ts'
import { type PlannedFault, type ProcessName } from './plan.ts'
import type { Supervised } from './process.ts'

type Answer = typeof answers[number]

const status = (code: number, reason: string) =>
  JSON.stringify({ kind: 'Status', apiVersion: 'v1', status: 'Failure', message: `drawn: ${reason}`, reason, code })
const s3Error = (code: string) => `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>drawn</Message></Error>`
const json = { 'content-type': 'application/json' }
const xml = { 'content-type': 'application/xml' }

const faultsOf: Record<'bucket' | 'cluster', Record<Answer, HttpFault>> = {
  cluster: {
    busy: { kind: 'answer', status: 429, headers: { ...json, 'retry-after': '1' }, body: status(429, 'TooManyRequests') },
    broken: { kind: 'answer', status: 500, headers: json, body: status(500, 'InternalError') },
    // A 403 of the API server is a true answer, and final.
    forbidden: { kind: 'answer', status: 503, headers: json, body: status(503, 'ServiceUnavailable') },
    unheard: { kind: 'unheard' },
    late: { kind: 'late', ms: 3000 }
  },
  bucket: {
    busy: { kind: 'answer', status: 503, headers: xml, body: s3Error('SlowDown') },
    broken: { kind: 'answer', status: 500, headers: xml, body: s3Error('InternalError') },
    forbidden: { kind: 'answer', status: 403, headers: xml, body: s3Error('AccessDenied') },
    unheard: { kind: 'unheard' },
    late: { kind: 'late', ms: 3000 }
  }
}

export const befalls = (dependency: 'bucket' | 'cluster', what: Answer): HttpFault => faultsOf[dependency][what]

async function breakFor (proxy: FaultProxy, what: 'cut' | 'refuse' | 'halfOpen' | 'delay', ms: number): Promise<void> {
  if (what === 'refuse') proxy.refuse(true)
  if (what === 'halfOpen') proxy.blackhole()
  if (what === 'delay') proxy.delay(150)
  else if (what !== 'halfOpen') proxy.cut()
  await delay(ms)
  proxy.refuse(false)
  proxy.heal()
  proxy.delay(0)
}

interface Struck { processes: Record<ProcessName, Supervised>, redis: TestRedis, seed: number }

/** Does one fault, and mends what it broke. */
export async function strike (fault: PlannedFault, { processes, redis, seed }: Struck): Promise<void> {
  if (fault.what === 'restartQueue') {
    await redis.stop()
    await delay(fault.forMs)
    return await redis.start()
  }
  const process = processes[fault.process]
  if (fault.what === 'kill') return await process.kill(fault.forMs)
  if (!('share' in fault)) return await breakFor(process.proxies[fault.dependency], fault.what, fault.forMs)
  const random = createRandom(seed, `${fault.process} ${fault.what} ${fault.atMs}`)
  const befallen = befalls(fault.dependency, fault.what)
  process.answers[fault.dependency].befall(() => random.chance(fault.share) ? befallen : null)
  await delay(fault.forMs)
  process.answers[fault.dependency].befall(null)
}
