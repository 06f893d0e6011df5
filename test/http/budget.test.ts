import t from 'tap'
import { v7 as uuidv7 } from 'uuid'
import { containerNameOf } from '#core/target.ts'
import { createUseCases } from '#jobs/create-use-cases.ts'
import { build } from '../support/build-app.ts'
import { lookup } from '../support/drive.ts'
import { createFakePorts } from '../support/fake-ports.ts'

t.test('a pod that has had its containers is refused with the list of what is there', async t => {
  const { context, cluster } = createFakePorts(new Map([['lookup', lookup()]]), { budget: 2 })
  const { call } = await build(t, createUseCases(context))
  const [living, ended] = [containerNameOf(uuidv7()), containerNameOf(uuidv7())]
  cluster.pods[0]!.ephemeral.push(
    { name: living, image: 'x', running: true, exitReason: null }, { name: ended, image: 'x', running: false, exitReason: 'Completed' })
  const launch = (query = '') => call({
    method: 'POST', url: `/v1/jobs${query}`, payload: { diagnostic: 'lookup', target: { namespace: 'shop', pod: 'web' } }
  })
  const refused = await launch()
  t.equal(refused.statusCode, 422)
  t.match(refused.json(), {
    code: 'EPH_BUDGET_EXHAUSTED',
    detail: `Cannot add a container to pod "web": it has 2 of 2 already: ${living} (running), ${ended} (Completed)`,
    retryable: 'no',
    effect: 'none'
  })
  t.match((await launch('?dryRun=true')).json(), {
    pods: [{ budget: { used: 2, max: 2, left: 0 }, containers: [{ name: living }, { name: ended }], error: { code: 'EPH_BUDGET_EXHAUSTED' } }]
  })
  t.equal(cluster.injected.length, 0)
})
