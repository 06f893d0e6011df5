import t from 'tap'
import { migrate } from '../../src/storage/migrate.ts'
import { catalogueLines } from '../support/catalogue.ts'
import { connect, makeFolder, startPostgres } from '../support/postgres.ts'
import { prismaLines } from '../support/prisma-schema.ts'

const { emptyDatabase } = await startPostgres(t)
const url = await emptyDatabase()
await migrate(url)
const db = await connect(t, url)

t.test('schema.prisma and the migrations say the same', async t => {
  const schema = await prismaLines(await makeFolder(t))
  t.ok(schema.includes('job.created_at timestamp(3) with time zone NOT NULL DEFAULT now()'))
  t.strictSame(await catalogueLines(db, 'prisma'), schema)
})

const podStates = "CHECK ((state = ANY (ARRAY['awaitingApproval'::text, 'queued'::text, 'running'::text, 'succeeded'::text, 'failed'::text, 'cancelled'::text, 'denied'::text, 'expired'::text])))"
const verdicts = "CHECK ((verdict = ANY (ARRAY['pass'::text, 'warn'::text, 'fail'::text, 'inconclusive'::text])))"

t.test('the migrations make what Prisma has no words for', async t => {
  t.strictSame(await catalogueLines(db, 'other'), [
    'FUNCTION abandon_runs(pod uuid, lost_attempt integer)',
    'FUNCTION append_events(job uuid, events jsonb)',
    'FUNCTION append_output(job uuid, run uuid, stream text, start_byte bigint, bytes bytea)',
    'FUNCTION claim_job_pods(worker text, want integer, lease_seconds integer, max_caller integer, max_namespace integer, max_node integer)',
    'FUNCTION claim_pods(worker text, want integer, lease_seconds integer, max_caller integer, max_namespace integer, max_node integer, max_captures integer)',
    'FUNCTION close_run(ending jsonb, out_bytes bytea, err_bytes bytea, OUT job uuid, OUT events jsonb)',
    'FUNCTION create_job(draft jsonb, inline_pods integer, OUT outcome text, OUT created_at timestamp with time zone, OUT document json)',
    'FUNCTION end_job(job uuid, decided jsonb, events jsonb)',
    'FUNCTION end_pod(pod uuid, held_attempt integer, worker text, only_alone boolean, result jsonb)',
    'FUNCTION end_run(ending jsonb, out_bytes bytea, err_bytes bytea)',
    'FUNCTION ensure_partitions(parent text, ahead integer, at timestamp with time zone)',
    'FUNCTION find_source(draft jsonb, joining boolean)',
    'FUNCTION finish_alone(pod uuid, held_attempt integer, worker text, result jsonb, events jsonb, decided jsonb, last_run jsonb, out_bytes bytea, err_bytes bytea)',
    'FUNCTION has_room(caller text, more integer, max_queued integer)',
    'FUNCTION hasten(source uuid, follower job)',
    'FUNCTION insert_events(job uuid, last integer, events jsonb)',
    'FUNCTION is_same_caller(one job, other job)',
    'FUNCTION is_whole(job uuid)',
    'FUNCTION job_document(job uuid, pods integer)',
    'FUNCTION pod_documents(job uuid, after uuid, want integer)',
    'FUNCTION pod_event(pod job_pod)',
    'FUNCTION put_output(job uuid, run uuid, stream text, start_byte bigint, bytes bytea)',
    'FUNCTION queue_positions(jobs uuid[])',
    'FUNCTION record_audit(event jsonb)',
    'FUNCTION release_follower(follower job)',
    'FUNCTION run_started_event(started run)',
    'FUNCTION running_of(caller text)',
    'FUNCTION settle_followers(source uuid)',
    'FUNCTION start_follower(follower uuid)',
    'FUNCTION take_place(name text, holder text, seconds integer, width integer)',
    'FUNCTION take_result(follower uuid, source uuid)',
    'FUNCTION uuid7_floor(t timestamp with time zone)',
    "INDEX artifact_pending ON artifact USING btree (sealed_at) WHERE ((state = 'sealed'::text) AND (pending <> '{}'::text[]))",
    "INDEX job_pod_capturing ON job_pod USING btree (pod_uid) WHERE (captures AND (state = 'running'::text) AND (source_pod_id IS NULL))",
    "INDEX job_pod_expiring ON job_pod USING btree (expires_at) WHERE ((state = 'queued'::text) AND (attempt = 0))",
    "INDEX job_pod_queued ON job_pod USING btree (requested_by, priority DESC, id) INCLUDE (namespace, node) WHERE ((state = 'queued'::text) AND (source_pod_id IS NULL))",
    "INDEX job_pod_running ON job_pod USING btree (requested_by, namespace, node) WHERE ((state = 'running'::text) AND (source_pod_id IS NULL))",
    'INDEX outbox_due ON outbox USING btree (created_at) WHERE (relayed_at IS NULL)',
    'PARTITION audit_event BY RANGE (id)',
    'PARTITION job_event BY RANGE (job_id)',
    'PARTITION run_output BY RANGE (job_id)',
    'SCHEMA part',
    "UNIQUE INDEX session_living ON session USING btree (pod_uid, image_digest, profile, COALESCE(shared_container, ''::text), purpose) WHERE (state <> 'closed'::text)",
    "artifact artifact_state_check CHECK ((state = ANY (ARRAY['growing'::text, 'sealed'::text, 'expired'::text])))",
    "audit_event audit_event_outcome_check CHECK ((outcome = ANY (ARRAY['allowed'::text, 'denied'::text, 'failed'::text])))",
    "job job_priority_check CHECK ((priority = ANY (ARRAY['interactive'::text, 'automatic'::text])))",
    `job job_state_check ${podStates}`,
    `job job_verdict_check ${verdicts}`,
    "job job_verdict_only_of_succeeded CHECK (((verdict IS NULL) OR (state = 'succeeded'::text)))",
    "job_pod job_pod_claim_is_whole CHECK (((state <> 'running'::text) OR (source_pod_id IS NOT NULL) OR ((claimed_by IS NOT NULL) AND (lease_until IS NOT NULL))))",
    "job_pod job_pod_role_check CHECK ((role = ANY (ARRAY['source'::text, 'peer'::text])))",
    `job_pod job_pod_state_check ${podStates}`,
    `job_pod job_pod_verdict_check ${verdicts}`,
    'run_output run_output_bytes_check CHECK (((octet_length(bytes) >= 1) AND (octet_length(bytes) <= 65536)))',
    "run_output run_output_stream_check CHECK ((stream = ANY (ARRAY['stdout'::text, 'stderr'::text])))",
    "session session_state_check CHECK ((state = ANY (ARRAY['opening'::text, 'open'::text, 'closed'::text])))"
  ])
})

t.test('the comparison sees each way in which a database can drift', async t => {
  const [before, otherBefore] = [await catalogueLines(db, 'prisma'), await catalogueLines(db, 'other')]
  const drifts = [
    'ALTER TABLE job ADD COLUMN extra text',
    'ALTER TABLE job ALTER COLUMN reason SET NOT NULL',
    'ALTER TABLE run ALTER COLUMN exit_code TYPE bigint',
    'ALTER TABLE session ALTER COLUMN state DROP DEFAULT',
    'CREATE TABLE extra (id integer)',
    'CREATE INDEX extra ON run (pod)',
    'DROP INDEX finding_code',
    'ALTER TABLE finding DROP CONSTRAINT finding_job_id_fkey',
    'ALTER TABLE lease DROP CONSTRAINT lease_pkey',
    'DROP INDEX session_living',
    'ALTER TABLE job DROP CONSTRAINT job_state_check',
    'DROP TABLE job_event; CREATE TABLE job_event (job_id uuid, seq integer, type text, data jsonb, at timestamptz(3))',
    'DROP FUNCTION record_audit',
    'CREATE VIEW extra AS SELECT 1',
    'CREATE TYPE extra AS ENUM (\'a\')'
  ]
  for (const drift of drifts) {
    await db.query(`BEGIN; ${drift}`)
    t.notSame([await catalogueLines(db, 'prisma'), await catalogueLines(db, 'other')], [before, otherBefore], drift)
    await db.query('ROLLBACK')
  }
})
