import { createHash } from 'node:crypto'
import { once } from 'node:events'
import http from 'node:http'
import t from 'tap'
import { setTimeout as delay } from 'node:timers/promises'
import { labEnvironment, makeNamespace, makePod, readPod } from '../support/lab.ts'
import { startService } from '../support/service.ts'

const megabyte = 1 << 20

/** Downloads from the sample application until told to stop. */
function keepDownloading (address: string): () => void {
  const stop = new AbortController()
  const agent = new http.Agent({ keepAlive: true, maxSockets: 2 })
  const worker = async () => {
    while (!stop.signal.aborted) {
      const request = http.get({ host: address, port: 8080, path: `/?bytes=${16 * megabyte}`, agent })
      const [response] = await once(request, 'response') as [http.IncomingMessage]
      response.resume()
      await once(response, 'end')
    }
  }
  // A download that is cut at the end is of no interest.
  Promise.all([worker(), worker()]).catch(() => {})
  return () => { stop.abort(); agent.destroy() }
}

t.test('a pcap of 200 MB arrives whole, in constant memory', async t => {
  const service = await startService({ env: labEnvironment() })
  t.teardown(() => service.stop())
  const namespace = makeNamespace(t)
  const pod = makePod(namespace)
  await service.launch({ diagnostic: 'dns-lookup', target: { namespace, pod }, params: { names: ['web.shop'] } }, { prefer: 'wait=50' })
  await delay(1000)
  const idle = service.rss()

  const job = await service.launch({
    diagnostic: 'packet-capture',
    target: { namespace, pod },
    params: { durationSeconds: 120, maxBytes: 200 * megabyte, snapLength: 65535, filter: { protocol: 'tcp', port: 8080 } }
  })
  await service.events(job.id, event => event.type === 'run' && event.data.phase === 'listening')
  const stopDownloads = keepDownloading(readPod(namespace, pod).status.podIP)
  t.teardown(stopDownloads)

  const done = await service.final(job.id, 150).finally(stopDownloads)
  t.equal(done.state, 'succeeded', JSON.stringify(done.pods.items[0]?.error))
  const [run] = done.pods.items[0]!.runs
  t.same(run!.completeness, { state: 'complete', reason: null })
  const [stdout] = run!.streams
  const [artifact] = run!.artifacts
  t.ok(artifact!.sizeBytes >= 200 * megabyte, `${artifact!.sizeBytes} bytes`)
  t.equal(stdout!.receivedBytes, artifact!.sizeBytes, 'what the runner stated is what was stored')
  t.equal(stdout!.sha256, artifact!.sha256)

  const hash = createHash('sha256')
  let bytes = 0
  const response = await fetch(`${service.url}/v1/artifacts/${artifact!.id}/content`, { headers: { authorization: `Bearer ${service.token}` } })
  for await (const part of response.body!) {
    hash.update(part)
    bytes += part.length
  }
  t.equal(bytes, artifact!.sizeBytes)
  t.equal(hash.digest('hex'), artifact!.sha256, 'and what is downloaded')
  const grown = service.peakRss() - idle
  t.comment(`peak RSS ${Math.round(grown / megabyte)} MiB above idle (${Math.round(idle / megabyte)} MiB)`)
  t.ok(grown < 200e6, 'peak RSS stays under 200 MB above idle')
})
