import t from 'tap'
import type { Job } from '#core/job.ts'
import { inNetworkOf } from '../support/container-processes.ts'
import { images, labEnvironment, makeNamespace, makePod, nodeAddress } from '../support/lab.ts'
import { startService } from '../support/service.ts'

const service = await startService({ env: labEnvironment() })
t.teardown(() => service.stop())
const namespace = makeNamespace(t)
const proxyPort = 15_001
const proxyUid = 1337

/** Accepts what the pod connects to, as the proxy of a mesh does, and gets it in the same way: by a rule in the pod's network. */
function makePodWithProxy (): string {
  const image = { image: images()['sample-app'], imagePullPolicy: 'IfNotPresent' }
  const pod = makePod(namespace, {
    spec: {
      containers: [
        { name: 'app', ...image },
        { name: 'istio-proxy', ...image, args: ['-http=', '-tls=', `-echo=:${proxyPort}`], securityContext: { runAsUser: proxyUid } }
      ]
    }
  })
  const others = ['-p', 'tcp', '-m', 'owner', '!', '--uid-owner', `${proxyUid}`]
  inNetworkOf(namespace, pod, ['iptables', '-t', 'nat', '-A', 'OUTPUT', ...others, '-j', 'REDIRECT', '--to-ports', `${proxyPort}`])
  return pod
}

const connect = (pod: string, expect: 'open' | 'closed'): Promise<Job> => service.launch({
  diagnostic: 'tcp-connect', target: { namespace, pod }, params: { destinations: [{ host: nodeAddress, port: 9 }], expect }
}, { prefer: 'wait=50' })

t.test('behind a proxy that accepts everything, a closed port is neither open nor refused; without it, it is refused', async t => {
  const proxied = makePodWithProxy()
  for (const expect of ['open', 'closed'] as const) {
    t.match(await connect(proxied, expect), { state: 'succeeded', verdict: 'inconclusive', findings: [{ code: 'PATH_THROUGH_PROXY', data: { proxy: 'istio-proxy' } }] })
  }
  const twin = makePod(namespace)
  t.match(await connect(twin, 'open'), { state: 'succeeded', verdict: 'fail', findings: [{ code: 'TCP_REFUSED' }] })
  t.match(await connect(twin, 'closed'), { state: 'succeeded', verdict: 'pass', findings: [] })
})
