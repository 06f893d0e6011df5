import t from 'tap'
import { summarizeEndpoints, summarizePolicy, summarizeService } from '../../src/kubernetes/object-summaries.ts'

const metadata = { namespace: 'shop', name: 'web' }

t.test('summarizeService knows Services of API servers before dual stack, and empty selectors', t => {
  t.match(summarizeService({ metadata, spec: { clusterIP: '10.96.0.9', selector: {}, ports: [{ port: 80 }] } }), {
    type: 'ClusterIP', clusterIPs: ['10.96.0.9'], headless: false, selector: null, ports: [{ name: null, protocol: 'TCP', targetPort: 80, nodePort: null }]
  })
  t.match(summarizeService({ metadata, spec: { clusterIP: 'None' } }), { clusterIPs: [], headless: true, ports: [] })
  t.match(summarizeService({ metadata, spec: { type: 'ExternalName', externalName: 'a.test', clusterIP: 'None' } }), { headless: false, externalName: 'a.test' })
  t.match(summarizeService({}), { namespace: '', name: '', clusterIPs: [] })
  t.end()
})

t.test('summarizeEndpoints takes what no condition speaks against as ready', t => {
  const slice = {
    metadata,
    addressType: 'IPv4',
    endpoints: [
      { addresses: ['10.0.0.1', '10.0.0.2'], targetRef: { kind: 'Pod', name: 'web-1' } },
      { addresses: ['10.0.0.3'], conditions: { ready: false, terminating: true }, targetRef: { kind: 'Node', name: 'n' }, nodeName: 'n' }
    ],
    ports: [{ name: '', port: 8080 }, { name: 'any' }]
  }
  const ports = [{ name: null, port: 8080, protocol: 'TCP' }]
  const pod = { namespace: 'shop', name: 'web-1' }
  t.strictSame(summarizeEndpoints(slice), [
    { ip: '10.0.0.1', ready: true, terminating: false, pod, node: null, ports },
    { ip: '10.0.0.2', ready: true, terminating: false, pod, node: null, ports },
    { ip: '10.0.0.3', ready: false, terminating: true, pod: null, node: 'n', ports }
  ])
  t.same(summarizeEndpoints({ ...slice, addressType: 'FQDN', endpoints: [{ addresses: ['a.test'] }] }), [])
  t.same(summarizeEndpoints({ ...slice, endpoints: [], ports: [] }), [])
  t.end()
})

t.test('summarizePolicy fills in the directions that a policy is about', t => {
  const typesOf = (spec: object) => { const { ingress, egress } = summarizePolicy({ metadata, spec }); return [ingress, egress] }
  t.same(typesOf({ podSelector: {} }), [true, false])
  t.same(typesOf({ podSelector: {}, egress: [{}] }), [true, true])
  t.same(typesOf({ podSelector: {}, policyTypes: ['Egress'] }), [false, true])
  t.match(summarizePolicy({ metadata, spec: { podSelector: { matchLabels: { app: 'web' }, matchExpressions: [{ key: 'a', operator: 'Exists' }] } } }).podSelector, {
    matchLabels: { app: 'web' }, matchExpressions: [{ key: 'a', operator: 'Exists', values: [] }]
  })
  t.end()
})
