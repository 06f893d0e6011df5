import { Problem } from '#core/errors.ts'
import type { Principal } from '#core/principal.ts'
import type { ObjectReader } from '#core/probe.ts'
import { rightOf, type Reading } from '#core/reading.ts'
import type { Context } from './context.ts'

type Parts = Pick<Context, 'authority' | 'reader'>

/** Reads of the API server in the name of a caller: by our account, but only what the caller could read alike. */
export function createObjectReader ({ authority, reader }: Parts, caller: Principal, signal: AbortSignal): ObjectReader {
  const demand = (kind: Reading['kind'], namespace: string) => authority.demand(caller, rightOf({ kind, namespace }))
  return {
    may: reading => authority.may(caller, rightOf(reading)),
    async pod (namespace, name) {
      await demand('pod', namespace)
      return reader.pod(namespace, name, signal)
    },
    async pods (namespace, labels) {
      await demand('pods', namespace)
      return reader.pods(namespace, Object.entries(labels).map(([key, value]) => `${key}=${value}`).join(','), signal)
    },
    async service (namespace, name) {
      await demand('service', namespace)
      return reader.service(namespace, name, signal)
    },
    async endpoints (namespace, service) {
      await demand('endpointSlices', namespace)
      return reader.endpoints(namespace, service, signal)
    },
    async networkPolicies (namespace) {
      await demand('networkPolicies', namespace)
      return reader.networkPolicies(namespace, signal)
    }
  }
}

/** Rejects with EPH_FORBIDDEN where the caller may not read what a diagnostic will. */
export async function demandReadings ({ authority }: Pick<Context, 'authority'>, caller: Principal, readings: Reading[]): Promise<void> {
  await Promise.all(readings.map(reading => authority.demand(caller, rightOf(reading))))
}

/** Rejects with EPH_NOT_FOUND where an object that the caller named and may read is not there. */
export async function demandObjects ({ reader }: Pick<Context, 'reader'>, readings: Reading[]): Promise<void> {
  await Promise.all(readings.map(async ({ kind, namespace, name }) => {
    if (name === undefined || (kind !== 'pod' && kind !== 'service')) return
    const what = kind === 'pod' ? 'pod' : 'Service'
    if (!await reader[kind](namespace, name)) throw new Problem('EPH_NOT_FOUND', `Cannot read ${what} "${namespace}/${name}": it does not exist`)
  }))
}
