import t from 'tap'
import { Problem } from '#core/errors.ts'
import { drive } from '../support/drive.ts'
import { caller } from '../support/fake-ports.ts'
import { until } from '../support/until.ts'

/** An engine whose API server answers nothing until `heal`; `asked`: how often it was asked whether it is back. */
async function away (t: Parameters<typeof drive>[0]) {
  const engine = drive(t, { works: false })
  const { reader } = engine.cluster
  const { pod, info } = reader
  const state = { asked: 0, readings: 0 }
  const down = () => { throw new Problem('EPH_CLUSTER_UNAVAILABLE', 'Cannot reach the Kubernetes API') }
  const { id } = await engine.launch()
  await new Promise(resolve => setTimeout(resolve, 300)) // longer than a reading is used again
  reader.pod = async () => { state.readings++; return down() }
  reader.info = async () => { state.asked++; return down() }
  await engine.worker.start()
  return { ...engine, id, state, heal () { Object.assign(reader, { pod, info }) } }
}

t.test('an accepted job waits for the API server and uses up no attempts', async t => {
  const { id, state, heal, final } = await away(t)
  await until(() => state.asked >= 3)
  t.equal(state.readings, 1)
  heal()
  t.match(await final(id), { state: 'succeeded' })
})

t.test('who waits can be cancelled, and goes back to the queue when the worker stops', async t => {
  const waiting = await away(t)
  await until(() => waiting.state.asked >= 1)
  await waiting.useCases.cancel(caller, waiting.id)
  t.match(await waiting.final(waiting.id), { state: 'cancelled' })

  const stopping = await away(t)
  await until(() => stopping.state.asked >= 1)
  await stopping.worker.stop(10)
  t.equal((await stopping.useCases.job(caller, stopping.id)).state, 'queued')
})
