import type { ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { t } from 'tap'
import type { ContainerPlace } from '#core/ports/channel.ts'
import { createApi } from '../../src/kubernetes/api.ts'
import { openEventually, openingTimes } from '../../src/kubernetes/open-channel.ts'
import { createFakeApiServer } from './fake-api-server.ts'

const place: ContainerPlace = { namespace: 'shop', pod: 'web', podUid: 'u1', node: 'n1', container: 'ephemera-1' }
const ended = {
  type: 'ADDED',
  object: {
    metadata: { name: 'web', uid: 'u1' },
    status: { phase: 'Running', ephemeralContainerStatuses: [{ name: place.container, state: { terminated: { exitCode: 0, reason: 'Completed' } } }] }
  }
}
const hangs = (signal: AbortSignal) => sleep(60_000, undefined, { signal }) as Promise<never>

t.test('a try that hangs is ended when the pod tells that the container has ended', async t => {
  const server = await createFakeApiServer(t, {
    'GET /api/v1/namespaces/shop/pods' (_, response) {
      response.writeHead(200)
      response.write(`${JSON.stringify(ended)}\n`)
      return null
    }
  })
  const api = createApi(server.config)
  t.teardown(() => api.close())
  let tries = 0
  const opening = openEventually(api, place, signal => {
    tries++
    return hangs(signal)
  }, AbortSignal.timeout(20_000), { ...openingTimes, watchAfterMs: 20 })
  await t.rejects(opening, { code: 'EPH_CONTAINER_NOT_STARTED', message: /exit code 0/ })
  t.equal(tries, 1)
})

t.test('where the watch is refused or silent, reading the pod tells', async t => {
  const watches: ((response: ServerResponse) => null)[] = [
    response => { response.writeHead(504).end('Timeout: Too large resource version'); return null },
    response => { response.writeHead(200).flushHeaders(); return null }
  ]
  for (const watch of watches) {
    const server = await createFakeApiServer(t, {
      'GET /api/v1/namespaces/shop/pods': (_, response) => watch(response),
      'GET /api/v1/namespaces/shop/pods/web': () => ({ body: { kind: 'Pod', apiVersion: 'v1', ...ended.object } })
    })
    const api = createApi(server.config)
    t.teardown(() => api.close())
    const opening = openEventually(api, place, hangs, AbortSignal.timeout(20_000), { ...openingTimes, watchAfterMs: 20, lookEveryMs: 50 })
    await t.rejects(opening, { code: 'EPH_CONTAINER_NOT_STARTED', message: /exit code 0/ })
  }
})

t.test('who gives up ends a try under way', async t => {
  const server = await createFakeApiServer(t)
  const api = createApi(server.config)
  t.teardown(() => api.close())
  const opening = openEventually(api, place, hangs, AbortSignal.timeout(50), { ...openingTimes, watchAfterMs: 20 })
  await t.rejects(opening, { name: 'TimeoutError' })
})
