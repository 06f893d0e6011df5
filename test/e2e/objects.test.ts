import { t } from 'tap'
import { findPod, labCluster, openIn } from '../support/cluster.ts'
import { apply, makeNamespace, makePod, nodeAddress } from '../support/lab.ts'

const { reader, ...cluster } = labCluster(t)
const namespace = makeNamespace(t)
const ready = await findPod({ reader, ...cluster }, namespace, makePod(namespace, { labels: { app: 'web' } }))

t.test('Services are read as they are', async t => {
  const make = (name: string, spec: object) => apply({ apiVersion: 'v1', kind: 'Service', metadata: { namespace, name }, spec })
  const ports = [{ port: 80, targetPort: 'http' }]
  make('web', { selector: { app: 'web' }, ports })
  make('headless', { clusterIP: 'None', selector: { app: 'web' }, ports, publishNotReadyAddresses: true })
  make('manual', { ports: [{ name: 'a', port: 1, protocol: 'UDP' }] })
  make('elsewhere', { type: 'ExternalName', externalName: 'example.com' })
  t.match(await reader.service(namespace, 'web'), {
    type: 'ClusterIP', headless: false, clusterIPs: [/^10\./], selector: { app: 'web' }, ports: [{ name: null, port: 80, protocol: 'TCP', targetPort: 'http', nodePort: null }]
  })
  t.match(await reader.service(namespace, 'headless'), { headless: true, clusterIPs: [], publishNotReadyAddresses: true })
  t.match(await reader.service(namespace, 'manual'), { selector: null, ports: [{ name: 'a', protocol: 'UDP', targetPort: 1 }] })
  t.match(await reader.service(namespace, 'elsewhere'), { type: 'ExternalName', externalName: 'example.com', headless: false, clusterIPs: [], ports: [] })
  t.equal(await reader.service(namespace, 'nope'), null)
  await t.rejects(reader.service(namespace, '../nope'), { code: 'EPH_INVALID_REQUEST' })
})

t.test('endpoints name their pods', async t => {
  const [endpoint, ...others] = await reader.endpoints('shop', 'orders')
  t.match(endpoint, { ready: true, terminating: false, pod: { namespace: 'shop', name: /^orders-/ }, node: /./ })
  t.same(endpoint?.ports.map(({ name, port }) => [name, port]).sort(), [['http', 8080], ['https', 8443]])
  t.same(others, [])
  t.same(await reader.endpoints(namespace, 'nope'), [])
})

t.test('NetworkPolicies say whom they select', async t => {
  apply({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { namespace, name: 'allow-all' },
    spec: { podSelector: { matchExpressions: [{ key: 'app', operator: 'In', values: ['nobody'] }] }, policyTypes: ['Egress'], egress: [{}] }
  })
  t.match(await reader.networkPolicies(namespace), [{
    name: 'allow-all', ingress: false, egress: true, podSelector: { matchLabels: {}, matchExpressions: [{ key: 'app', operator: 'In', values: ['nobody'] }] }
  }])
})

t.test('the owners of an address are found, everywhere or in one namespace', async t => {
  const [ip] = ready.podIPs
  t.match(await reader.owners(ip!, null), { pods: [{ namespace, name: ready.name }], services: [] })
  t.same(await reader.owners(ip!, 'shop'), { pods: [], services: [] })
  const { clusterIPs: [clusterIP] } = (await reader.service('shop', 'orders'))!
  t.match(await reader.owners(clusterIP!, null), { pods: [], services: [{ namespace: 'shop', name: 'orders' }] })
  t.same(await reader.owners(nodeAddress, namespace), { pods: [], services: [] })
  await t.rejects(reader.owners('10.0.0.1,status.phase=Running', null), { code: 'EPH_INVALID_REQUEST' })
})

t.test('the runner reads the files of the resolver, and no others', async t => {
  const { channel } = await openIn({ reader, ...cluster }, ready)
  async function read (file: 'resolv.conf' | 'hosts'): Promise<string> {
    let text = ''
    const run = channel.run({ id: file, argv: ['read', file], file, seconds: 10 }, { stdout (chunk) { text += chunk }, stderr () {} })
    t.match(await run.ended, { exitCode: 0, endCause: 'exited', stdout: { proven: true, whole: true } }, file)
    return text
  }
  t.match(await read('resolv.conf'), /^search .*\nnameserver 10\.96\.0\.10/)
  t.match(await read('hosts'), /127\.0\.0\.1\s+localhost/)
  await t.rejects(read('passwd' as 'hosts'), { code: 'EPH_TOOL_MISSING' })
  await channel.closeContainer()
})
