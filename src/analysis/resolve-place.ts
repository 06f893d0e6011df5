import { isIP } from 'node:net'
import type { Place } from '#core/destination.ts'
import { Problem } from '#core/errors.ts'
import { canonicalIp, dnsName } from '#core/host.ts'
import type { EndpointSummary } from '#core/objects.ts'
import type { Probe } from '#core/probe.ts'
import { isRefusedAddress } from '#core/refused-addresses.ts'
import { askDns, secondsPerQuestion } from './ask-dns.ts'
import { parseDig } from './dig.ts'
import { toDnsQuery } from './dns-query.ts'

const families = [{ family: 4, type: 'A' }, { family: 6, type: 'AAAA' }] as const

/** The longest that `resolvePlace` takes. */
export const secondsToResolve = families.length * secondsPerQuestion

export interface Resolved {
  /** How a name was resolved, as NOERROR or NXDOMAIN, or TIMEOUT; null where no name had to be. */
  dnsStatus: string | null
  /** In the order in which a client of the pod would try them. */
  addresses: string[]
  /** Those that no diagnostic may talk to: names and objects can stand for any address. */
  refused: string[]
}

type Source = Pick<Probe, 'run' | 'objects'>

/** Whether the cluster IPs of a Service may lead to an address that no diagnostic may talk to: endpoints can be written by hand. */
export const hasRefusedEndpoint = (endpoints: EndpointSummary[]): boolean => endpoints.some(({ ip }) => isRefusedAddress(ip))

/**
 * The addresses of a place as the pod would find them, of one family where that is given: of a name by the pod's own DNS, of a pod or
 * Service by the API server in the name of the caller. Rejects with EPH_NOT_FOUND where pod or Service are not there.
 */
export async function resolvePlace (place: Place, source: Source, family?: number): Promise<Resolved> {
  const { dnsStatus, addresses, leadsAstray = false } = await find(place, source, family)
  const fitting = addresses.map(canonicalIp).filter(ip => family === undefined || isIP(ip) === family)
  const isRefused = (ip: string) => leadsAstray || isRefusedAddress(ip)
  return { dnsStatus, addresses: fitting.filter(ip => !isRefused(ip)), refused: fitting.filter(isRefused) }
}

interface Found extends Omit<Resolved, 'refused'> { leadsAstray?: boolean }
const known = (addresses: string[]): Found => ({ dnsStatus: null, addresses: [...new Set(addresses)] })

async function find ({ host, pod, service }: Place, source: Source, family?: number): Promise<Found> {
  const { objects } = source
  if (pod) {
    const found = await objects.pod(pod.namespace, pod.name)
    if (!found) throw new Problem('EPH_NOT_FOUND', `Cannot read pod "${pod.namespace}/${pod.name}": it does not exist`)
    return known(found.podIPs)
  }
  if (service) {
    const { namespace, name } = service
    const found = await objects.service(namespace, name)
    if (!found) throw new Problem('EPH_NOT_FOUND', `Cannot read Service "${namespace}/${name}": it does not exist`)
    if (found.externalName !== null) return findByName(`${found.externalName.replace(/\.$/, '')}.`, source, family)
    const endpoints = await objects.endpoints(namespace, name)
    if (!found.headless) return { ...known(found.clusterIPs), leadsAstray: hasRefusedEndpoint(endpoints) }
    return known(endpoints.filter(({ ready }) => ready).map(({ ip }) => ip))
  }
  return isIP(host ?? '') === 0 ? findByName(host ?? '', source, family) : known([host ?? ''])
}

/** Also the name of an ExternalName Service, which nobody of ours has checked. */
async function findByName (name: string, { run }: Source, family?: number): Promise<Found> {
  if (!new RegExp(dnsName).test(name)) throw new Problem('EPH_OUTPUT_UNREADABLE', `Cannot resolve ${JSON.stringify(name.slice(0, 80))}: it is no name`)
  let dnsStatus = 'TIMEOUT'
  for (const { type } of families.filter(one => family === undefined || one.family === family)) {
    const { stdout } = await run(askDns(type, name))
    const { status, answers } = toDnsQuery(name, type, parseDig(stdout))
    const addresses = answers.filter(answer => answer.type === type).map(({ data }) => data).filter(data => isIP(data) !== 0)
    dnsStatus = status ?? 'TIMEOUT'
    // The other family is for hosts without IPv4; a name that is not there, or servers that do not answer, are the same for both.
    if (addresses.length > 0 || status !== 'NOERROR') return { dnsStatus, addresses }
  }
  return { dnsStatus, addresses: [] }
}
