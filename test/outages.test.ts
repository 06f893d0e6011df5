import { mock } from 'node:test'
import { Registry } from 'prom-client'
import t from 'tap'
import { Problem } from '#core/errors.ts'
import { createOutages } from '../src/outages.ts'

t.test('an outage is a line when it begins and one when it ends, and a gauge; one that flaps is told once, unless it stays away', async t => {
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => { mock.reset() })
  const lines: unknown[] = []
  const metrics = new Registry()
  const write = (level: string) => (fields: Record<string, unknown>, text: string) => { lines.push({ level, text, ...fields }) }
  const outages = createOutages(metrics, { info: write('info'), warn: write('warn'), error: write('error') })
  const [database, bucket] = [outages('database'), outages('bucket')]
  const up = async (dependency: string) => (await metrics.metrics()).includes(`ephemera_dependency_up{dependency="${dependency}"} 1\n`)
  t.same([await up('database'), await up('bucket')], [true, true])
  for (let nth = 0; nth < 3; nth++) {
    database(new Problem('EPH_DATABASE_UNAVAILABLE', 'Cannot use the database: it does not answer'))
    t.same([await up('database'), await up('bucket')], [false, true])
    database(null)
    t.same([await up('database'), await up('bucket')], [true, true])
  }
  bucket(new Error('a password'))
  database(new Problem('EPH_DATABASE_UNAVAILABLE', 'Cannot use the database: its disk is full'))
  mock.timers.tick(9000)
  t.equal(lines.length, 3)
  mock.timers.tick(1500)
  t.match(lines, [
    { level: 'warn', dependency: 'database', reason: 'Cannot use the database: it does not answer' },
    { level: 'info', dependency: 'database', seconds: 0 },
    { level: 'warn', dependency: 'bucket', reason: /^Cannot finish/ },
    { level: 'warn', dependency: 'database', reason: /disk is full/ }
  ])
  t.equal(lines.length, 4)
})
