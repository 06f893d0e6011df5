import t from 'tap'
import { versionOf } from '#core/version-of.ts'
import { build } from '../support/build-app.ts'
import { ids, job, principal, queued } from '../support/samples.ts'

const url = `/v1/jobs/${ids.job}`
const tag = `W/"${versionOf(job)}"`

t.test('a job is answered whole, with a version', async t => {
  const { call } = await build(t)
  const response = await call({ url })
  const { extra, ...requestedBy } = principal
  const { id, ...pod } = { ...job.pods.items[0]!, id: '' }
  t.same(response.json(), { ...job, requestedBy, pods: { nextCursor: null, items: [pod] } })
  t.match(response.headers, { etag: tag, 'cache-control': 'private, max-age=0, must-revalidate', vary: /Accept/ })
})

t.test('a job that goes on may not be kept', async t => {
  const { call } = await build(t, { job: async () => queued })
  t.equal((await call({ url })).headers['cache-control'], 'private, no-cache')
})

t.test('If-None-Match answers 304 for the version that is known, in any form', async t => {
  const { call } = await build(t)
  for (const known of [tag, tag.slice(2), `"other", ${tag}`, '*']) {
    const response = await call({ url, headers: { 'if-none-match': known } })
    t.match(response, { statusCode: 304, body: '', headers: { etag: tag } }, known)
  }
  t.equal((await call({ url, headers: { 'if-none-match': '"other"' } })).statusCode, 200)
})

t.test('a long poll waits for news of the version that is known', async t => {
  const waited: unknown[] = []
  let answer = queued
  const { call } = await build(t, {
    async wait (_caller, id, { seconds, knownVersion }) {
      waited.push({ id, seconds, knownVersion })
      return answer
    }
  })
  const headers = { 'if-none-match': `W/"${versionOf(queued)}"`, prefer: 'wait=30' }
  t.match(await call({ url, headers }), { statusCode: 304, headers: { 'preference-applied': 'wait=30' } })
  answer = job
  const news = await call({ url, headers })
  t.match(news, { statusCode: 200, headers: { etag: tag, 'preference-applied': 'wait=30' } })
  t.equal(news.json().state, 'succeeded')
  t.match(await call({ url, headers: { prefer: 'wait=1' } }), { statusCode: 200 })
  t.same(waited, [
    { id: ids.job, seconds: 30, knownVersion: versionOf(queued) }, { id: ids.job, seconds: 30, knownVersion: versionOf(queued) },
    { id: ids.job, seconds: 1, knownVersion: undefined }
  ])
})

t.test('a long poll ends when the service stops', async t => {
  const waiting = Promise.withResolvers<AbortSignal>()
  const { app, call } = await build(t, {
    wait: (_caller, _id, { signal }) => new Promise((_resolve, reject) => {
      waiting.resolve(signal)
      signal.addEventListener('abort', () => { reject(signal.reason) })
    })
  })
  const answer = call({ url, headers: { prefer: 'wait=55' } })
  const signal = await waiting.promise
  await app.close()
  t.ok(signal.aborted)
  t.match((await answer).json(), { status: 503, code: 'EPH_SHUTDOWN' })
})

t.test('a job in words hides what could drive a terminal', async t => {
  const { call } = await build(t)
  const response = await call({ url, headers: { accept: 'text/plain' } })
  t.match(response.headers, { 'content-type': 'text/plain; charset=utf-8', etag: tag })
  t.match(response.body, /^sample-lookup: succeeded, verdict fail$/m)
  t.match(response.body, /launched by ada at 2026-11-24T08:00:00.000Z: INC-1 \\x1b\[31mred <b>bold<\/b>/)
  t.match(response.body, /error SAMPLE_FAILED: No answer \(1 pods\)/)
  t.match(response.body, /run .*: dig web\.shop \(exited, exit 0, 41 ms, complete\)/)
  t.match(response.body, new RegExp(`pcap, 10 bytes: /v1/artifacts/${ids.artifact}/content`))
  t.notMatch(response.body, '\u001b')
})

t.test('a job in Markdown makes no links and no markup of what others wrote', async t => {
  const reason = '[click](http://evil) <img src=x> # no heading `code` | cell\n# nor here'
  const { call } = await build(t, { job: async () => ({ ...job, reason }) })
  const response = await call({ url, headers: { accept: 'text/markdown, text/plain;q=0.5' } })
  t.equal(response.headers['content-type'], 'text/markdown; charset=utf-8')
  t.match(response.body, /^## sample\\-lookup: succeeded, verdict fail$/m)
  t.match(response.body, '\\[click\\]\\(http://evil\\) \\<img src=x\\> \\# no heading \\`code\\` \\| cell \\# nor here')
})

t.test('what cannot be seen is not there', async t => {
  const { call, audited } = await build(t)
  t.match((await call({ url: `/v1/jobs/${ids.other}` })).json(), { status: 404, code: 'EPH_NOT_FOUND' })
  t.same(audited, [], 'the use case has audited it')
})

t.test('cancel and finish answer the job as it is then', async t => {
  const { call } = await build(t, { cancel: async () => ({ ...job, state: 'cancelled', verdict: null }), finish: async () => queued })
  t.match((await call({ method: 'POST', url: `${url}/cancel` })).json(), { id: ids.job, state: 'cancelled', pods: { items: [{}] } })
  t.match((await call({ method: 'POST', url: `${url}/finish` })).json(), { id: ids.job, state: 'queued' })
})
