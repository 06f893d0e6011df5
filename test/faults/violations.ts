import type pg from 'pg'
import { isOurs } from '#core/target.ts'
import { kubectl, type PodObject } from '../support/lab.ts'
import { queries } from '../schedules/invariants.ts'
import type { Told } from './callers.ts'
import { expectedOutput, onceKinds, wholeLength, type Command } from './commands.ts'
import { checkBucket, readRuns, sha256Of, type StoredRun } from './evidence.ts'
import type { Execution } from './tally.ts'

export interface Known {
  db: pg.Client
  /** Of the bucket's objects. */
  folder: string
  namespace: string
  commands: Command[]
  told: Told[]
  executions: Execution[]
  lastSeen: Map<string, number>
  /** How long a command may outlive its deadline or its job. */
  graceMs: number
  budget: number
}

interface JobRow { id: string, word: string, state: string, timeout: number, finished: Date | null }

const otherQueries = {
  // A killed process keeps `inject:…` for as long as it had asked for.
  'a pod succeeded without a complete run': `SELECT p.id, p.job_id, p.pod FROM job_pod p WHERE p.state = 'succeeded' AND p.error IS NULL
    AND NOT EXISTS (SELECT FROM run r WHERE r.job_pod_id = p.id AND r.attempt = p.attempt AND r.completeness->>'state' = 'complete')`,
  // Between the end of its run and that of its pod a worker may be lost, and only then.
  'a measurement that was complete was made again although no worker was lost': `
    SELECT r.id, p.job_id, p.pod FROM run r JOIN job_pod p ON p.id = r.job_pod_id
    WHERE r.diagnostic LIKE 'test-%' AND r.completeness->>'state' = 'complete' AND r.attempt < p.attempt AND 'The worker was lost' IS DISTINCT FROM (
      SELECT (array_agg(e.data->>'reason' ORDER BY e.seq))[r.attempt] FROM job_event e
      WHERE e.job_id = p.job_id AND e.type = 'pod' AND e.data->>'id' = p.id::text AND e.data ? 'reason')`,
  'a measurement failed unexpectedly': "SELECT job_id, pod, error FROM job_pod WHERE error->>'code' = 'EPH_INTERNAL'",
  'two jobs of one launch': "SELECT labels->>'word' AS word FROM job GROUP BY 1 HAVING count(*) > 1"
}

async function checkDatabase (db: pg.Client): Promise<string[]> {
  const found: string[] = []
  for (const [what, query] of Object.entries({ ...queries, ...otherQueries })) {
    if (what === 'a lease is left') continue
    const { rows } = await db.query(query)
    for (const row of rows) found.push(`${what}: ${JSON.stringify(row)}`)
  }
  return found
}

/** What callers were told against what is stored. */
function checkTold (told: Told[], jobs: Map<string, JobRow>): string[] {
  const found: string[] = []
  const finals = new Map<string, string>()
  for (const { id, what, status, state, word } of told) {
    if (!id || status < 200 || status > 299) continue
    const job = jobs.get(id)
    if (!job) found.push(`an acknowledged job is not stored: ${word} ${id}`)
    const before = finals.get(id)
    if (before && state !== before) found.push(`job ${id} was ${before} and later, asked by ${what}, ${state}`)
    if (state && !['queued', 'running', 'awaitingApproval'].includes(state)) finals.set(id, state)
  }
  for (const [id, state] of finals) if (jobs.get(id)?.state !== state) found.push(`job ${id} was told to be ${state} and is ${jobs.get(id)?.state}`)
  return found
}

function checkRun (run: StoredRun, command: Command, executions: Execution[]): string[] {
  const { id, word, pod, state, told, artifact, bytes } = run
  const found: string[] = []
  const name = `${command.kind} ${word} ${id}`
  const expected = expectedOutput(command, bytes.length)
  if (expected && !expected.equals(bytes)) found.push(`a run has stored what its tool cannot have written: ${name}`)
  if (told.storedBytes !== bytes.length) found.push(`a run says that ${told.storedBytes} bytes are stored, and ${bytes.length} are: ${name}`)
  if (artifact && artifact.sizeBytes !== bytes.length) found.push(`an artifact has ${artifact.sizeBytes} bytes, and ${bytes.length} are stored: ${name}`)
  if (artifact?.sha256 && artifact.sha256 !== sha256Of(bytes)) found.push(`an artifact has another hash than what is stored: ${name}`)
  if (state !== 'complete') return found
  const whole = wholeLength(command)
  if (told.sha256 !== sha256Of(bytes)) found.push(`a run is complete with another hash than what is stored: ${name}`)
  if (artifact && !artifact.sha256) found.push(`a run is complete, and its artifact has no hash: ${name}`)
  if (whole !== null && bytes.length !== whole) found.push(`a run is complete with ${bytes.length} of ${whole} bytes: ${name}`)
  if (command.kind === 'big' || command.kind === 'overdue') found.push(`a run is complete that was cut: ${name}`)
  // A tool that is stopped before it could say its word has written nothing either.
  const isSeen = command.kind === 'lookup' || bytes.length === 0 || executions.some(execution => execution.word === word && execution.pod === pod)
  if (!isSeen) found.push(`a run is complete that no pod has seen: ${name}`)
  return found
}

function checkExecutions (runs: StoredRun[], executions: Execution[], commands: Map<string, Command>): string[] {
  const found: string[] = []
  for (const [what, times] of Map.groupBy(executions, ({ word, pod }) => `${word} in ${pod}`)) {
    const command = commands.get(times[0]!.word)
    if (command && onceKinds.has(command.kind) && times.length > 1) found.push(`what must not run twice ran ${times.length} times: ${command.kind} ${what}`)
  }
  const complete = runs.filter(({ state, word }) => state === 'complete' && commands.get(word)?.kind !== 'lookup')
  for (const [what, times] of Map.groupBy(complete, ({ word, pod, attempt }) => `${word} in ${pod}, attempt ${attempt}`)) {
    if (times.length > 1) found.push(`an attempt has ${times.length} complete runs: ${what}`)
  }
  return found
}

function checkCommands (jobs: Map<string, JobRow>, { executions, lastSeen, graceMs }: Known): string[] {
  const found: string[] = []
  const executionsOf = Map.groupBy(executions, ({ word }) => word)
  for (const { word, timeout, finished } of jobs.values()) {
    const seen = lastSeen.get(word)
    if (seen === undefined) continue
    const started = Math.max(...(executionsOf.get(word) ?? [{ at: Infinity }]).map(({ at }) => at))
    if (seen > started + timeout * 1000 + graceMs) found.push(`a command ran ${Math.round((seen - started) / 1000)} s of its ${timeout} s: ${word}`)
    if (finished && seen > finished.getTime() + graceMs) found.push(`a command ran ${Math.round((seen - finished.getTime()) / 1000)} s behind its job: ${word}`)
  }
  return found
}

interface SessionRow { ephemeral_container: string, key: string }

async function checkContainers ({ db, namespace, budget }: Known): Promise<string[]> {
  const found: string[] = []
  const { rows } = await db.query<SessionRow>(`SELECT ephemeral_container,
    concat_ws(' ', pod_uid, image_digest, profile, shared_container, purpose) AS key FROM session`)
  const keyOf = new Map(rows.map(row => [row.ephemeral_container, row.key]))
  const { items }: { items: PodObject[] } = JSON.parse(kubectl('get', 'pods', '-n', namespace, '-o', 'json'))
  for (const { metadata: { name: pod }, spec, status } of items) {
    const ours = (spec.ephemeralContainers ?? []).map(({ name }) => name).filter(isOurs)
    if (ours.length > budget) found.push(`a pod has more containers than its budget: ${pod} ${ours.length}`)
    for (const name of ours) if (!keyOf.has(name)) found.push(`a container has no session: ${pod} ${name}`)
    const ended = new Set((status.ephemeralContainerStatuses ?? []).filter(({ state }) => 'terminated' in state).map(({ name }) => name))
    for (const [key, same] of Map.groupBy(ours.filter(name => !ended.has(name)), name => keyOf.get(name))) {
      if (same.length > 1) found.push(`two containers of one key live: ${pod} ${key}`)
    }
  }
  return found
}

/** All that does not hold at the end, in words. */
export async function findViolations (known: Known): Promise<string[]> {
  const { db, folder, told, executions } = known
  const { rows } = await db.query<JobRow>('SELECT id, labels->>\'word\' AS word, state, timeout_seconds AS timeout, finished_at AS finished FROM job')
  const jobs = new Map(rows.map(row => [row.id, row]))
  const commands = new Map(known.commands.map(command => [command.word, command]))
  const bucket = await checkBucket(db, folder)
  // Without its objects no run can be read back.
  const runs = bucket.some(what => what.startsWith('a segment has no object')) ? [] : await readRuns(db, folder)
  return [
    ...await checkDatabase(db),
    ...checkTold(told, jobs),
    ...bucket,
    ...runs.flatMap(run => checkRun(run, commands.get(run.word)!, executions)),
    ...checkExecutions(runs, executions, commands),
    ...checkCommands(jobs, known),
    ...await checkContainers(known)
  ]
}
