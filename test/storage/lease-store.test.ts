import t from 'tap'
import { connect, startPostgres } from '../support/postgres.ts'
import { until } from '../support/until.ts'

const { openDatabase } = await startPostgres(t)
const database = await openDatabase(t)
const { leases } = database

t.test('a lease has one holder at a time, who may take it again', async t => {
  t.equal(await leases.acquire('one', 'ada', 60), true)
  t.equal(await leases.acquire('one', 'bob', 60), false)
  t.equal(await leases.acquire('one', 'ada', 60), true)
  t.equal(await leases.acquire('other', 'bob', 60), true)
})

t.test('only its holder releases a lease', async t => {
  await leases.acquire('two', 'ada', 60)
  await leases.release('two', 'bob')
  t.equal(await leases.acquire('two', 'bob', 60), false)
  await leases.release('two', 'ada')
  t.equal(await leases.acquire('two', 'bob', 60), true)
  await leases.release('nobody has this', 'bob')
})

t.test('a lease that is over by the clock of the database is anybody\'s, and no longer its holder\'s', async t => {
  await leases.acquire('three', 'ada', 0.5)
  await until(() => leases.acquire('three', 'bob', 60))
  t.equal(await leases.acquire('three', 'ada', 60), false)
  await leases.release('three', 'ada')
  t.equal(await leases.acquire('three', 'ada', 60), false)
  const db = await connect(t, database.url)
  const { rows: [{ seconds }] } = await db.query('SELECT extract(epoch FROM until - clock_timestamp()) AS seconds FROM lease WHERE name = \'three\'')
  t.ok(seconds > 30 && seconds <= 60, `${seconds} s`)
})

t.test('of many who want a lease at the same time one has it', async t => {
  const other = await openDatabase(t, { url: database.url })
  const won = await Promise.all(Array.from({ length: 40 }, (_, nth) => (nth % 2 ? leases : other.leases).acquire('four', `w-${nth}`, 60)))
  t.equal(won.filter(Boolean).length, 1)
})

t.test('places of a name are given as many times as there are, over two processes', async t => {
  const other = await openDatabase(t, { url: database.url })
  const asked = Array.from({ length: 30 }, (_, nth) => (nth % 2 ? database : other).leases.takePlace('open:n-1', `h-${nth}`, 60, 8))
  const taken = (await Promise.all(asked)).flatMap((place, nth) => place === null ? [] : { place, holder: `h-${nth}` })
  t.equal(new Set(taken.map(({ place }) => place)).size, 8)
  t.equal(taken.length, 8)
  t.match(await leases.takePlace('open:n-2', 'ada', 60, 8), /^open:n-2#[1-8]$/, 'another name has its own')
  t.equal(await leases.takePlace('open:n-1', 'ada', 60, 8), null)
  t.equal(await leases.acquire(taken[0]!.place, taken[0]!.holder, 60), true, 'renewed')
  await leases.release(taken[0]!.place, taken[0]!.holder)
  t.equal(await leases.takePlace('open:n-1', 'ada', 60, 8), taken[0]!.place)
})

t.test('places that a dead holder has left are free again by the clock of the database', async t => {
  for (const holder of ['ada', 'bob']) t.not(await leases.takePlace('four', holder, 60, 2), null)
  t.equal(await leases.takePlace('four', 'eve', 60, 2), null)
  const db = await connect(t, database.url)
  await db.query("UPDATE lease SET until = clock_timestamp() WHERE holder = 'bob' AND name LIKE 'four#%'")
  t.match(await leases.takePlace('four', 'eve', 60, 2), /^four#/)
})
