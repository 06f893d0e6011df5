import { randomUUID } from 'node:crypto'
import t from 'tap'
import { Value } from 'typebox/value'
import { v7 as uuidv7 } from 'uuid'
import type { Claim, SessionDraft, SessionFilter } from '#core/ports/storage.ts'
import { Session, type SessionKey } from '#core/session.ts'
import { containerNameOf, type PodSummary } from '#core/target.ts'
import { claimedJob, startedRun } from '../support/claimed-run.ts'
import { connect, startPostgres } from '../support/postgres.ts'
import { examplePod } from '../support/recorded-probe.ts'

const { openDatabase } = await startPostgres(t)
const database = await openDatabase(t)
const { jobs, sessions } = database
const db = await connect(t, database.url)

const podOf = (rest: Partial<PodSummary> = {}) => examplePod({ uid: randomUUID(), ...rest })

function draftOf ({ pod = podOf(), ...rest }: Partial<SessionDraft> = {}): SessionDraft {
  const id = uuidv7()
  return {
    id,
    pod,
    ephemeralContainer: containerNameOf(id),
    image: 'toolbox',
    imageDigest: 'sha256:a',
    profile: 'restricted',
    purpose: 'diagnostics',
    sharedContainer: null,
    sharesProcesses: false,
    openedBy: 'ada',
    ...rest
  }
}
const keyOf = ({ pod, imageDigest, profile, sharedContainer, purpose }: SessionDraft): SessionKey =>
  ({ podUid: pod.uid, imageDigests: [imageDigest], profile, sharedContainer, purpose })

t.test('a session is opening, open, used and closed', async t => {
  const draft = draftOf({ sharedContainer: 'app', sharesProcesses: true })
  const opening = await sessions.open(draft)
  t.strictSame([...Value.Errors(Session, opening)], [])
  t.match(opening, {
    id: draft.id, podUid: draft.pod.uid, pod: 'web', node: 'node-1', ephemeralContainer: draft.ephemeralContainer, state: 'opening', targetContainer: 'app', sharesProcesses: true, openedBy: 'ada', usedBy: ['ada'], runCount: 0, closedAt: null
  })
  t.strictSame(await sessions.find(draft.id), opening)
  await sessions.opened(draft.id)
  t.match(await sessions.findLiving(keyOf(draft)), { id: draft.id, state: 'open' })
  await sessions.close(draft.id, 'oom \u0000')
  await sessions.close(draft.id, 'again')
  await sessions.opened(draft.id)
  const closed = await sessions.find(draft.id)
  t.strictSame([...Value.Errors(Session, closed)], [])
  t.match(closed, { state: 'closed', closedReason: 'oom \ufffd', closedAt: String })
  t.ok(closed!.closedAt! >= closed!.openedAt)
  t.equal(await sessions.findLiving(keyOf(draft)), null)
})

t.test('findLiving answers only a session whose whole key is equal', async t => {
  const draft = draftOf({ sharedContainer: 'app' })
  await sessions.open(draft)
  const key = keyOf(draft)
  t.match(await sessions.findLiving(key), { id: draft.id })
  const others: Partial<SessionKey>[] = [
    { podUid: randomUUID() }, { imageDigests: ['sha256:b'] }, { imageDigests: [] }, { profile: 'netraw' }, { sharedContainer: null },
    { sharedContainer: 'side' }, { purpose: 'command:ada' }
  ]
  for (const other of others) t.equal(await sessions.findLiving({ ...key, ...other }), null, JSON.stringify(other))
})

t.test('findLiving takes the previous digest too, but rather the current one', async t => {
  const pod = podOf()
  const [previous, current] = [draftOf({ pod, imageDigest: 'sha256:old' }), draftOf({ pod, imageDigest: 'sha256:new' })]
  const key = { ...keyOf(current), imageDigests: ['sha256:new', 'sha256:old'] }
  await sessions.open(previous)
  t.match(await sessions.findLiving(key), { id: previous.id })
  await sessions.open(current)
  t.match(await sessions.findLiving(key), { id: current.id })
  t.match(await sessions.findLiving({ ...key, imageDigests: ['sha256:old', 'sha256:new'] }), { id: previous.id })
  await sessions.close(current.id, 'ended')
  t.match(await sessions.findLiving(key), { id: previous.id })
})

t.test('open makes one session of a key, of many that try at the same time', async t => {
  const other = await openDatabase(t, { url: database.url })
  const pod = podOf()
  const made = await Promise.all(Array.from({ length: 20 }, (_, nth) => (nth % 2 ? sessions : other.sessions).open(draftOf({ pod }))))
  const [only, ...rest] = made.filter(session => session !== null)
  t.strictSame(rest, [])
  t.equal(await sessions.open(draftOf({ pod })), null)
  for (const different of [{ profile: 'netraw' as const }, { purpose: 'shell:ada' }, { sharedContainer: 'app' }, { imageDigest: 'sha256:b' }]) {
    t.ok(await sessions.open(draftOf({ pod, ...different })), JSON.stringify(different))
  }
  await sessions.close(only!.id, 'ended')
  t.ok(await sessions.open(draftOf({ pod })), 'a closed one is in nobody\'s way')
})

t.test('used notes who and when, without a write for each of many uses', async t => {
  const draft = draftOf()
  const { lastUsedAt } = (await sessions.open(draft))!
  const claims = new Map<string, Claim>()
  for (const username of ['ada', 'bob', 'carol']) claims.set(username, await claimedJob(database, { username }))
  const use = (username: string) => jobs.attachSession(claims.get(username)!, draft.id, true)
  await use('ada')
  t.equal((await sessions.find(draft.id))?.lastUsedAt, lastUsedAt, 'just used')
  await use('bob')
  await Promise.all(Array.from({ length: 10 }, () => use('carol')))
  const used = await sessions.find(draft.id)
  t.strictSame(used?.usedBy, ['ada', 'bob', 'carol'])
  await db.query('UPDATE session SET last_used_at = now() - interval \'1 minute\' WHERE id = $1', [draft.id])
  await use('ada')
  const again = await sessions.find(draft.id)
  t.strictSame(again?.usedBy, ['ada', 'bob', 'carol'])
  t.ok(again!.lastUsedAt >= used!.lastUsedAt)

  const lost = { ...claims.get('bob')!, attempt: 2, principal: { ...claims.get('bob')!.principal, username: 'dan' } }
  t.equal(await jobs.attachSession(lost, draft.id, true), false)
  t.strictSame((await sessions.find(draft.id))?.usedBy, ['ada', 'bob', 'carol'], 'who lost the claim uses nothing')
})

t.test('a session counts its runs and stands in the pods that were measured in it', async t => {
  const claim = await claimedJob(database)
  const draft = draftOf({ pod: podOf({ uid: claim.podUid }) })
  await sessions.open(draft)
  t.equal(await jobs.attachSession(claim, draft.id, true), true)
  for (let nth = 0; nth < 3; nth++) await startedRun(database, claim, { sessionId: draft.id, reused: true })
  t.match(await sessions.find(draft.id), { runCount: 3 })
  const { items } = await sessions.list({ namespaces: null, podUid: [claim.podUid] }, { limit: 5, after: null })
  t.match(items, [{ id: draft.id, runCount: 3 }])
  t.strictSame((await jobs.find(claim.jobId))?.pods.items[0]?.session, {
    id: draft.id, ephemeralContainer: draft.ephemeralContainer, targetContainer: 'app', image: 'toolbox', imageDigest: 'sha256:a', profile: 'restricted', reused: true, sharesProcesses: false
  })
})

t.test('list finds sessions by each filter, newest first, by pages', async t => {
  const pod = podOf({ namespace: 'listed', name: 'db-0', node: 'node-9' })
  const first = draftOf({ pod })
  const second = draftOf({ pod, profile: 'netraw', openedBy: 'bob' })
  const third = draftOf({ pod, purpose: 'shell:eve', openedBy: 'eve' })
  for (const draft of [first, second, third]) await sessions.open(draft)
  await sessions.opened(second.id)
  await sessions.close(third.id, 'ended')
  // Opened at 1, 2 and 3 o'clock, last used an hour later.
  for (const [nth, { id }] of [first, second, third].entries()) {
    await db.query('UPDATE session SET opened_at = $2, last_used_at = $3 WHERE id = $1',
      [id, `2026-11-01T0${nth + 1}:00:00Z`, `2026-11-01T0${nth + 2}:00:00Z`])
  }
  const nth = ({ id }: { id: string }) => [first.id, second.id, third.id].indexOf(id) + 1
  const find = async (filter: Partial<SessionFilter>) =>
    (await sessions.list({ namespaces: ['listed'], ...filter }, { limit: 9, after: null })).items.map(nth)
  t.strictSame(await find({}), [3, 2, 1])
  t.strictSame(await find({ namespaces: null, podUid: [pod.uid] }), [3, 2, 1])
  t.strictSame(await find({ namespaces: [] }), [])
  t.strictSame(await find({ pod: ['db-0', 'db-1'] }), [3, 2, 1])
  t.strictSame(await find({ pod: ['db-1'] }), [])
  t.strictSame(await find({ node: ['node-9'], openedBy: ['bob', 'eve'] }), [3, 2])
  t.strictSame(await find({ state: ['opening', 'closed'] }), [3, 1])
  t.strictSame(await find({ createdAfter: '2026-11-01T02:00:00Z' }), [3, 2])
  t.strictSame(await find({ createdBefore: '2026-11-01T02:00:00Z' }), [1])
  t.strictSame(await find({ createdAfter: '2026-11-01T02:30:00+01:00', createdBefore: '2026-11-01T02:30:00Z' }), [2])
  t.strictSame(await find({ activeAfter: '2026-11-01T03:00:00Z' }), [3, 2])
  t.strictSame(await find({ activeBefore: '2026-11-01T02:00:00Z' }), [1])
  t.strictSame(await find({ activeAfter: '2026-11-01T03:00:00Z', activeBefore: '2026-11-01T03:00:00Z' }), [2])

  const page = await sessions.list({ namespaces: ['listed'] }, { limit: 2, after: null })
  t.strictSame([page.items.map(({ id }) => id), page.nextCursor], [[third.id, second.id], second.id])
  t.match(await sessions.list({ namespaces: ['listed'] }, { limit: 2, after: page.nextCursor }), { items: [{ id: first.id }], nextCursor: null })
  await t.rejects(sessions.list({ namespaces: null }, { limit: 2, after: 'x' }), { code: 'EPH_CURSOR_INVALID' })
  t.equal(await sessions.find('x'), null)
})
