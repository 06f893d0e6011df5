import { execFile } from 'node:child_process'
import { isIP } from 'node:net'
import { promisify } from 'node:util'
import t from 'tap'
import type { AnyDiagnostic } from '#core/diagnostic.ts'
import type { Job } from '#core/job.ts'
import { metadataAddresses } from '#core/refused-addresses.ts'
import { loadCatalogue } from '../../src/diagnostics/catalogue.ts'
import { enterNetworkOf } from '../support/container-processes.ts'
import { watchedValues } from '../support/corpus.ts'
import { corpusPlaces } from '../support/corpus-places.ts'
import { apply, labEnvironment, makeNamespace, makePod, readPod } from '../support/lab.ts'
import { canaryWord, startMetadataCanary } from '../support/metadata-canary.ts'
import { startService } from '../support/service.ts'

const service = await startService({ env: { ...labEnvironment(), EPHEMERA_REQUESTS_PER_MINUTE: '100000' } })
t.teardown(() => service.stop())
const namespace = makeNamespace(t)
const pod = makePod(namespace)
const canary = await startMetadataCanary(t, namespace, pod)

/** Of the zone lab.test: of both families, an alias, an IPv4 address inside of an IPv6 one, and beside an address that is allowed. */
const names = ['metadata', 'metadata-alias', 'metadata-mapped', 'metadata-beside'].map(label => `${label}.lab.test.`)

/** Launches, and answers the ended job, or null where the service refused to. */
async function tryOut (diagnostic: AnyDiagnostic, params: Record<string, unknown>): Promise<Job | null> {
  const request = { diagnostic: diagnostic.name, target: { namespace, pod }, params }
  const { status, body } = await service.call<Job>('POST', '/v1/jobs', { body: request, headers: { prefer: 'wait=50' } })
  if ([403, 404, 422].includes(status)) return null
  if (status > 202) throw new Error(`${diagnostic.name} ${JSON.stringify(params)}: ${status} ${JSON.stringify(body)}`)
  return body.finishedAt ? body : service.final(body.id)
}

const catalogue = await loadCatalogue()
// A capture sends nothing.
const places = corpusPlaces(catalogue).filter(({ diagnostic, words }) => diagnostic.right !== 'captures' && words === null)
const values = [...metadataAddresses, ...watchedValues, ...names]
const atOnce = 8

for (const { diagnostic, name, paramsWith } of places) {
  t.test(`${name} never leads to an address of a metadata service`, async t => {
    for (let at = 0; at < values.length; at += atOnce) {
      await Promise.all(values.slice(at, at + atOnce).map(async value => {
        const job = await tryOut(diagnostic, paramsWith(value))
        if (job) t.equal(job.state, 'succeeded', value)
      }))
    }
    t.same(canary.packets(), {})
  })
}

t.test('a name that stands for nothing else is said to be such; what it has beside is tried', async t => {
  const tcpConnect = catalogue.get('tcp-connect')!
  for (const host of names.slice(0, 3)) {
    t.match(await tryOut(tcpConnect, { destinations: [{ host, port: 80 }] }), { verdict: 'inconclusive', findings: [{ code: 'TCP_NOT_TRIED' }] }, host)
  }
  t.match(await tryOut(tcpConnect, { destinations: [{ host: names[3], port: 9 }] }), { verdict: 'fail', findings: [{ code: 'TCP_REFUSED' }] })
  t.same(canary.packets(), {})
})

// Of the metadata addresses, the API server itself refuses only link-local ones as endpoints.
for (const clusterIP of ['None', undefined]) {
  t.test(`a ${clusterIP ? 'headless ' : ''}Service with such addresses as endpoints leads nowhere`, async t => {
    const name = clusterIP ? 'trap' : 'balanced-trap'
    const metadata = { namespace, name, labels: { 'kubernetes.io/service-name': name } }
    apply({ apiVersion: 'v1', kind: 'Service', metadata, spec: { clusterIP, ports: [{ port: 80 }] } })
    // Beside one that is allowed.
    const endpoints = ['100.100.100.200', '168.63.129.16', readPod(namespace, pod).status.podIP].map(address => ({ addresses: [address], conditions: { ready: true } }))
    apply({ apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', metadata, addressType: 'IPv4', endpoints, ports: [{ port: 80 }] })
    const service = { namespace, name }
    const ways = {
      'tcp-connect': { destinations: [{ service, port: 80 }] },
      ping: { destinations: [{ service }] },
      'path-trace': { destination: { service } },
      'service-check': { service },
      reachability: { destination: { service, port: 80 } }
    }
    for (let round = 0; round < 3; round++) {
      for (const [name, params] of Object.entries(ways)) t.match(await tryOut(catalogue.get(name)!, params), { state: 'succeeded' }, name)
    }
    t.same(canary.packets(), {})
  })
}

t.test('the canary sees who does talk to them', async t => {
  // Not at once: the canary answers from this process.
  const inPod = (...argv: string[]) => promisify(execFile)('env', [...enterNetworkOf(namespace, pod), ...argv])
  for (const ip of metadataAddresses) {
    const host = isIP(ip) === 6 ? `[${ip}]` : ip
    const { stdout } = await inPod('curl', '--silent', '--http0.9', '--max-time', '5', `http://${host}/latest/meta-data/`)
    t.equal(stdout, canaryWord, ip)
  }
  t.same(Object.keys(canary.packets()).toSorted(), metadataAddresses.toSorted())
  const { stdout } = await inPod('bash', '-c', `exec 3<>/dev/udp/169.254.169.254/53 && echo >&3 && head -c ${canaryWord.length} <&3`)
  t.equal(stdout, canaryWord, 'UDP')
})
