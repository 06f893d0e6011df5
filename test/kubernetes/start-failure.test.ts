import { t } from 'tap'
import { lacksRunner, startState } from '../../src/kubernetes/start-failure.ts'
import { judgeNode, judgePod } from '../../src/kubernetes/post-mortem.ts'
import { changed, recorded, running, withState } from './recorded-pods.ts'

const podUid = running().metadata!.uid!
const place = (letter: string) => ({ namespace: 'shop', pod: 'app', podUid, node: 'n1', container: recorded(letter) })

t.test('recorded starts', async t => {
  t.match(startState(running(), place('a')), { code: 'EPH_IMAGE_PULL', message: /no such host/ })
  t.match(startState(running(), place('b')), { code: 'EPH_IMAGE_WITHOUT_RUNNER' })
  t.equal(startState(running(), place('c')), 'running')
  t.match(startState(running(), place('d')), { code: 'EPH_IMAGE_PULL', message: /InvalidImageName/ })
  t.equal(startState(running(), place('e')), null, 'no status yet')
})

t.test('other starts', async t => {
  t.equal(startState(withState({ waiting: { reason: 'ContainerCreating' } }), place('c')), null)
  t.match(startState(withState({ waiting: { reason: 'CreateContainerConfigError', message: 'runAsNonRoot' } }), place('c')), { code: 'EPH_CONTAINER_NOT_STARTED' })
  t.match(startState(withState({ terminated: { exitCode: 137, reason: 'OOMKilled' } }), place('c')), { code: 'EPH_CONTAINER_NOT_STARTED', message: /137 \(OOMKilled\)/ })
  const startError = { exitCode: 128, reason: 'StartError', message: 'exec: "/ephemera/runner": stat /ephemera/runner: no such file or directory' }
  t.match(startState(withState({ terminated: startError }), place('c')), { code: 'EPH_IMAGE_WITHOUT_RUNNER' })
  t.equal(lacksRunner('open /etc/passwd: no such file or directory'), false)
})

t.test('a pod that is not what it was', async t => {
  t.match(startState(running(), { ...place('c'), podUid: 'other' }), { code: 'EPH_POD_GONE', effect: 'none' })
  t.match(startState(changed(({ status }) => { Object.assign(status, { phase: 'Failed', reason: 'Evicted' }) }), place('c')), { code: 'EPH_POD_GONE', message: /Evicted/ })
})

t.test('why a channel was lost', async t => {
  t.equal(judgePod(null, place('c')), 'podGone')
  t.equal(judgePod(running(), { ...place('c'), podUid: 'other' }), 'podGone')
  t.equal(judgePod(running(), place('c')), 'unknown')
  t.equal(judgePod(withState({ terminated: { exitCode: 137, reason: 'OOMKilled' } }), place('c')), 'oom')
  t.equal(judgePod(withState({ terminated: { exitCode: 137, reason: 'Error' } }), place('c')), 'containerEnded')
  t.equal(judgePod(withState({ terminated: { exitCode: 0, reason: 'Completed' } }), place('c')), 'containerEnded')
  t.equal(judgePod(changed(({ status }) => { status.phase = 'Failed' }), place('c')), 'podGone')
})

t.test('a node that is not ready is gone', async t => {
  const node = (status: string) => ({ status: { conditions: [{ type: 'Ready', status }] } })
  t.equal(judgeNode(node('True')), 'unknown')
  t.equal(judgeNode(node('Unknown')), 'nodeGone')
  t.equal(judgeNode(node('False')), 'nodeGone')
  t.equal(judgeNode(null), 'nodeGone')
})
