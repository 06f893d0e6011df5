CREATE TABLE job (
  id uuid PRIMARY KEY,
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  namespace text NOT NULL,
  diagnostic text NOT NULL,
  diagnostic_version text NOT NULL,
  retry_safe boolean NOT NULL,
  target jsonb NOT NULL,
  params jsonb NOT NULL,
  reason text,
  labels jsonb NOT NULL,
  label_index text[] NOT NULL,
  image text NOT NULL,
  priority text NOT NULL CHECK (priority IN ('interactive', 'automatic')),
  timeout_seconds integer NOT NULL,
  expires_at timestamptz(3) NOT NULL,
  matched integer NOT NULL,
  rule text NOT NULL,
  pod_count integer NOT NULL,
  requested_by text NOT NULL,
  actor text,
  principal jsonb NOT NULL,
  state text NOT NULL CHECK (state IN ('awaitingApproval', 'queued', 'running', 'succeeded', 'failed', 'cancelled', 'denied', 'expired')),
  verdict text CHECK (verdict IN ('pass', 'warn', 'fail', 'inconclusive')),
  error jsonb,
  findings jsonb NOT NULL DEFAULT '[]',
  search text NOT NULL,
  cancel_asked_at timestamptz(3),
  finish_asked_at timestamptz(3),
  event_seq integer NOT NULL DEFAULT 0,
  started_at timestamptz(3),
  finished_at timestamptz(3),
  deduplicated_from uuid,
  retry_of uuid,
  CONSTRAINT job_verdict_only_of_succeeded CHECK (verdict IS NULL OR state = 'succeeded')
) WITH (fillfactor = 70);
CREATE INDEX job_namespace ON job (namespace, id DESC);
CREATE INDEX job_requested_by ON job (requested_by, id DESC);
CREATE INDEX job_label ON job USING gin (label_index);

CREATE TABLE job_pod (
  id uuid PRIMARY KEY,
  job_id uuid NOT NULL REFERENCES job (id) ON DELETE CASCADE ON UPDATE CASCADE,
  alone boolean NOT NULL,
  requested_by text NOT NULL,
  priority smallint NOT NULL,
  namespace text NOT NULL,
  pod text NOT NULL,
  pod_uid text NOT NULL,
  node text NOT NULL,
  owner_kind text,
  owner_name text,
  role text NOT NULL DEFAULT 'source' CHECK (role IN ('source', 'peer')),
  target_container text NOT NULL,
  snapshot jsonb NOT NULL,
  state text NOT NULL CHECK (state IN ('awaitingApproval', 'queued', 'running', 'succeeded', 'failed', 'cancelled', 'denied', 'expired')),
  verdict text CHECK (verdict IN ('pass', 'warn', 'fail', 'inconclusive')),
  error jsonb,
  report jsonb,
  findings jsonb NOT NULL DEFAULT '[]',
  attempt integer NOT NULL DEFAULT 0,
  claimed_by text,
  lease_until timestamptz(3),
  expires_at timestamptz(3) NOT NULL,
  session_id uuid,
  session_reused boolean NOT NULL DEFAULT false,
  started_at timestamptz(3),
  finished_at timestamptz(3),
  CONSTRAINT job_pod_claim_is_whole CHECK (state <> 'running' OR (claimed_by IS NOT NULL AND lease_until IS NOT NULL))
) WITH (fillfactor = 70);
CREATE INDEX job_pod_job ON job_pod (job_id, id);
CREATE INDEX job_pod_uid ON job_pod (pod_uid, job_id DESC);
CREATE INDEX job_pod_name ON job_pod (namespace, pod, job_id DESC);
CREATE INDEX job_pod_node ON job_pod (node, job_id DESC);
-- Each caller's queue in order; and who runs now, counted at each claim.
CREATE INDEX job_pod_queued ON job_pod (requested_by, priority DESC, id) INCLUDE (namespace, node) WHERE state = 'queued';
CREATE INDEX job_pod_running ON job_pod (requested_by, namespace, node) WHERE state = 'running';
CREATE INDEX job_pod_expiring ON job_pod (expires_at) WHERE state = 'queued' AND attempt = 0;

CREATE TABLE finding (
  job_pod_id uuid NOT NULL REFERENCES job_pod (id) ON DELETE CASCADE ON UPDATE CASCADE,
  ordinal smallint NOT NULL,
  job_id uuid NOT NULL REFERENCES job (id) ON DELETE CASCADE ON UPDATE CASCADE,
  code text NOT NULL,
  severity text NOT NULL,
  PRIMARY KEY (job_pod_id, ordinal)
);
CREATE INDEX finding_code ON finding (code, job_id DESC);
CREATE INDEX finding_job ON finding (job_id);

CREATE TABLE session (
  id uuid PRIMARY KEY,
  namespace text NOT NULL,
  pod text NOT NULL,
  pod_uid text NOT NULL,
  node text,
  ephemeral_container text NOT NULL,
  image text NOT NULL,
  image_digest text NOT NULL,
  profile text NOT NULL,
  purpose text NOT NULL,
  shared_container text,
  shares_processes boolean NOT NULL,
  state text NOT NULL DEFAULT 'opening' CHECK (state IN ('opening', 'open', 'closed')),
  opened_at timestamptz(3) NOT NULL DEFAULT now(),
  opened_by text NOT NULL,
  last_used_at timestamptz(3) NOT NULL DEFAULT now(),
  used_by text[] NOT NULL,
  closed_at timestamptz(3),
  closed_reason text
) WITH (fillfactor = 70);
CREATE INDEX session_pod_uid ON session (pod_uid, id DESC);
CREATE INDEX session_namespace ON session (namespace, id DESC);
-- The reuse key: two workers cannot both open a session for it.
CREATE UNIQUE INDEX session_living ON session (pod_uid, image_digest, profile, coalesce(shared_container, ''), purpose) WHERE state <> 'closed';

CREATE TABLE run (
  id uuid PRIMARY KEY,
  job_pod_id uuid NOT NULL REFERENCES job_pod (id) ON DELETE CASCADE ON UPDATE CASCADE,
  job_id uuid NOT NULL,
  session_id uuid NOT NULL,
  namespace text NOT NULL,
  pod text NOT NULL,
  pod_uid text NOT NULL,
  attempt integer NOT NULL,
  diagnostic text NOT NULL,
  argv text[] NOT NULL,
  started_at timestamptz(3),
  ended_at timestamptz(3),
  duration_ms integer,
  exit_code integer,
  signal text,
  end_cause text,
  completeness jsonb,
  streams jsonb NOT NULL DEFAULT '[]'
) WITH (fillfactor = 70);
CREATE INDEX run_job_pod ON run (job_pod_id, id);
CREATE INDEX run_job ON run (job_id, id DESC);
CREATE INDEX run_session ON run (session_id, id DESC);
CREATE INDEX run_pod_uid ON run (pod_uid, id DESC);
CREATE INDEX run_namespace ON run (namespace, id DESC);

CREATE TABLE artifact (
  id uuid PRIMARY KEY,
  run_id uuid NOT NULL REFERENCES run (id) ON DELETE CASCADE ON UPDATE CASCADE,
  job_id uuid NOT NULL,
  kind text NOT NULL,
  content_type text NOT NULL,
  state text NOT NULL DEFAULT 'growing' CHECK (state IN ('growing', 'sealed', 'expired')),
  size_bytes bigint NOT NULL DEFAULT 0,
  sha256 text,
  completeness jsonb,
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  sealed_at timestamptz(3)
) WITH (fillfactor = 70);
CREATE INDEX artifact_run ON artifact (run_id, id);
CREATE INDEX artifact_job ON artifact (job_id, id DESC);

CREATE TABLE artifact_segment (
  artifact_id uuid NOT NULL REFERENCES artifact (id) ON DELETE CASCADE ON UPDATE CASCADE,
  start_byte bigint NOT NULL,
  size_bytes integer NOT NULL,
  key text NOT NULL,
  sha256 text NOT NULL,
  PRIMARY KEY (artifact_id, start_byte)
);

CREATE TABLE idempotency_key (
  username text NOT NULL,
  key text NOT NULL,
  request_hash text NOT NULL,
  job_id uuid NOT NULL,
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  PRIMARY KEY (username, key)
);

CREATE TABLE outbox (
  job_id uuid PRIMARY KEY,
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  relayed_at timestamptz(3)
) WITH (fillfactor = 70);
CREATE INDEX outbox_due ON outbox (created_at) WHERE relayed_at IS NULL;

CREATE TABLE lease (
  name text PRIMARY KEY,
  holder text NOT NULL,
  until timestamptz(3) NOT NULL
) WITH (fillfactor = 70);

-- Append-only, by month of UUIDv7: no foreign keys (dropping a month would lock out the readers of the other table),
-- no default partition (it would make ATTACH and DETACH block).
CREATE TABLE run_output (
  job_id uuid NOT NULL,
  run_id uuid NOT NULL,
  stream text NOT NULL CHECK (stream IN ('stdout', 'stderr')),
  start_byte bigint NOT NULL,
  bytes bytea NOT NULL CHECK (octet_length(bytes) BETWEEN 1 AND 65536),
  PRIMARY KEY (job_id, run_id, stream, start_byte)
) PARTITION BY RANGE (job_id);

CREATE TABLE job_event (
  job_id uuid NOT NULL,
  seq integer NOT NULL,
  type text NOT NULL,
  data jsonb NOT NULL,
  at timestamptz(3) NOT NULL DEFAULT now(),
  PRIMARY KEY (job_id, seq)
) PARTITION BY RANGE (job_id);

CREATE TABLE audit_event (
  id uuid NOT NULL,
  at timestamptz(3) NOT NULL DEFAULT now(),
  action text NOT NULL,
  outcome text NOT NULL CHECK (outcome IN ('allowed', 'denied', 'failed')),
  username text,
  principal jsonb,
  namespace text,
  object text NOT NULL,
  code text,
  detail jsonb NOT NULL,
  PRIMARY KEY (id)
) PARTITION BY RANGE (id);
CREATE INDEX audit_event_username ON audit_event (username, id DESC);
CREATE INDEX audit_event_namespace ON audit_event (namespace, id DESC);

-- Partitions live in their own schema: Prisma looks at "public" only, so a detached month is never drift.
CREATE SCHEMA part;

-- Smallest UUID of a millisecond: every UUIDv7 made at or after it is greater or equal.
CREATE FUNCTION uuid7_floor(t timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT (lpad(to_hex(floor(extract(epoch FROM t) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;

-- Makes the months that are missing, from the one before `at` to `ahead` months after it (UTC); answers how many it made.
-- LIKE and ATTACH, not PARTITION OF: it lets readers and writers of the parent go on.
CREATE FUNCTION ensure_partitions(parent text, ahead integer DEFAULT 3, at timestamptz DEFAULT now()) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
  month timestamp := date_trunc('month', at AT TIME ZONE 'UTC');
  lo timestamptz; hi timestamptz; child text; made integer := 0;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('partitions', 0));
  FOR i IN -1 .. ahead LOOP
    lo := (month + make_interval(months => i)) AT TIME ZONE 'UTC';
    hi := (month + make_interval(months => i + 1)) AT TIME ZONE 'UTC';
    child := parent || to_char(lo AT TIME ZONE 'UTC', '"_"YYYY"_"MM');
    CONTINUE WHEN to_regclass(format('part.%I', child)) IS NOT NULL;
    EXECUTE format('CREATE TABLE part.%I (LIKE public.%I INCLUDING ALL)', child, parent);
    EXECUTE format('ALTER TABLE public.%I ATTACH PARTITION part.%I FOR VALUES FROM (%L) TO (%L)',
                   parent, child, uuid7_floor(lo), uuid7_floor(hi));
    made := made + 1;
  END LOOP;
  RETURN made;
END $$;

-- Writes [{type, data}, …] as the events of a job up to number `last`, which its locked row must say already. The lock is what keeps the
-- numbers without gaps for readers, and the times in the order of the numbers: now() is the begin of the transaction, which may have
-- waited for it.
CREATE FUNCTION insert_events(job uuid, last integer, events jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO job_event (job_id, seq, type, data, at)
    SELECT job, last - jsonb_array_length(events) + e.nth, e.event->>'type', e.event->'data', clock_timestamp()
    FROM jsonb_array_elements(events) WITH ORDINALITY AS e (event, nth);
END $$;

-- For whoever changes nothing else of the job: each version of its row costs more than its events.
CREATE FUNCTION append_events(job uuid, events jsonb) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  last integer;
BEGIN
  UPDATE job j SET event_seq = j.event_seq + jsonb_array_length(events) WHERE j.id = job RETURNING j.event_seq INTO last;
  IF FOUND AND jsonb_array_length(events) > 0 THEN PERFORM insert_events(job, last, events); END IF;
  RETURN last;
END $$;

CREATE FUNCTION record_audit(event jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO audit_event (id, action, outcome, username, principal, namespace, object, code, detail)
    SELECT id, action, outcome, username, principal, namespace, object, code, detail FROM jsonb_populate_record(NULL::audit_event, event);
END $$;

-- The pods of a job with session, runs and artifacts, in the order in which they were chosen.
CREATE FUNCTION pod_documents(job uuid, after uuid, want integer) RETURNS json LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN (
    SELECT coalesce(json_agg(json_build_object(
      'pod', row_to_json(p),
      'session', (SELECT row_to_json(s) FROM session s WHERE s.id = p.session_id),
      'runs', (
        SELECT coalesce(json_agg(json_build_object(
          'run', row_to_json(r),
          'artifacts', (SELECT coalesce(json_agg(row_to_json(a) ORDER BY a.id), '[]') FROM artifact a WHERE a.run_id = r.id)
        ) ORDER BY r.id), '[]') FROM run r WHERE r.job_pod_id = p.id)
    ) ORDER BY p.id), '[]')
    FROM (SELECT * FROM job_pod q WHERE q.job_id = job AND (after IS NULL OR q.id > after) ORDER BY q.id LIMIT want) p);
END $$;

-- A whole job in one round trip: the row, its verdicts counted, its first pods.
CREATE FUNCTION job_document(job uuid, pods integer) RETURNS json LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN (
    SELECT json_build_object(
      'job', row_to_json(j),
      'verdicts', (SELECT json_object_agg(coalesce(c.verdict, 'none'), c.n) FROM (
        SELECT p.verdict, count(*) AS n FROM job_pod p WHERE p.job_id = j.id GROUP BY p.verdict) c),
      'pods', pod_documents(j.id, NULL, pods))
    FROM job j WHERE j.id = job);
END $$;

-- Job, pods, events, audit event, outbox and idempotency key in one transaction and one round trip.
-- outcome: created, replayed, mismatch. document: of the job that is replayed; who has created one knows what stands in it.
CREATE FUNCTION create_job(draft jsonb, inline_pods integer, OUT outcome text, OUT created_at timestamptz, OUT document json) LANGUAGE plpgsql AS $$
DECLARE
  made job := jsonb_populate_record(NULL::job, draft->'job');
  used idempotency_key := jsonb_populate_record(NULL::idempotency_key, draft->'idempotency');
  known idempotency_key;
BEGIN
  IF used.key IS NOT NULL THEN
    -- Waits for another transaction that is just using the key.
    INSERT INTO idempotency_key (username, key, request_hash, job_id)
      VALUES (used.username, used.key, used.request_hash, made.id) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
      SELECT * INTO STRICT known FROM idempotency_key k WHERE k.username = used.username AND k.key = used.key;
      outcome := CASE WHEN known.request_hash = used.request_hash THEN 'replayed' ELSE 'mismatch' END;
      document := job_document(known.job_id, inline_pods);
      RETURN;
    END IF;
  END IF;
  made.expires_at := now() + make_interval(secs => (draft->>'startWithinSeconds')::integer);
  INSERT INTO job (id, namespace, diagnostic, diagnostic_version, retry_safe, target, params, reason, labels, label_index, image, priority,
                   timeout_seconds, expires_at, matched, rule, pod_count, requested_by, actor, principal, state, error, search, event_seq,
                   finished_at)
    VALUES (made.id, made.namespace, made.diagnostic, made.diagnostic_version, made.retry_safe, made.target, made.params, made.reason, made.labels,
            made.label_index, made.image, made.priority, made.timeout_seconds, made.expires_at, made.matched, made.rule, made.pod_count,
            made.requested_by, made.actor, made.principal, made.state, made.error, made.search, jsonb_array_length(draft->'events'),
            CASE WHEN made.state NOT IN ('awaitingApproval', 'queued') THEN now() END)
    RETURNING job.created_at INTO created_at;
  INSERT INTO job_pod (id, job_id, alone, requested_by, priority, namespace, pod, pod_uid, node, owner_kind, owner_name, target_container,
                       snapshot, state, error, expires_at, finished_at)
    SELECT id, made.id, made.pod_count = 1, made.requested_by, priority, namespace, pod, pod_uid, node, owner_kind, owner_name,
           target_container, snapshot, state, error, made.expires_at, CASE WHEN state = 'failed' THEN now() END
    FROM jsonb_populate_recordset(NULL::job_pod, draft->'pods');
  PERFORM insert_events(made.id, jsonb_array_length(draft->'events'), draft->'events');
  PERFORM record_audit(draft->'audit');
  INSERT INTO outbox (job_id) SELECT made.id WHERE made.state = 'queued';
  outcome := 'created';
END $$;

-- Claims the fairest queued pods of jobs: least running per caller first, then priority, then age, within the limits per caller,
-- namespace and node. Claims go one after another (for one short statement), so that the limits are exact.
-- Plans are kept for long, and may be made while the table is nearly empty: hence one plan, by indexes and nested loops only, and looking up
-- rows by LATERAL with LIMIT, which cannot be turned round into reading the whole queue.
CREATE FUNCTION claim_job_pods(worker text, want integer, lease_seconds integer, max_caller integer, max_namespace integer, max_node integer)
RETURNS SETOF json LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
DECLARE
  claimed uuid[] := '{}'; picked uuid[]; pod job_pod; begins boolean; events jsonb; last integer;
BEGIN
  -- Most of who asks finds nothing: each end of a pod is an occasion to look.
  IF NOT EXISTS (SELECT FROM job_pod q WHERE q.state = 'queued') THEN RETURN; END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended('claim', 0)); -- the statements below see what the claimer before us committed
  LOOP
    WITH RECURSIVE busy AS MATERIALIZED (
      SELECT r.requested_by, r.namespace, r.node FROM job_pod r WHERE r.state = 'running'
    ), by_caller AS MATERIALIZED (SELECT requested_by AS key, count(*) AS n FROM busy GROUP BY 1
    ), by_namespace AS MATERIALIZED (SELECT namespace AS key, count(*) AS n FROM busy GROUP BY 1
    ), by_node AS MATERIALIZED (SELECT node AS key, count(*) AS n FROM busy GROUP BY 1
    ), caller AS ( -- distinct callers with something queued: one index probe each
      (SELECT q.requested_by AS name FROM job_pod q WHERE q.state = 'queued' ORDER BY q.requested_by LIMIT 1)
      UNION ALL
      SELECT n.name FROM caller c CROSS JOIN LATERAL (
        SELECT q.requested_by AS name FROM job_pod q WHERE q.state = 'queued' AND q.requested_by > c.name ORDER BY q.requested_by LIMIT 1) n
    ), candidate AS MATERIALIZED ( -- of each caller as many as it has room for, out of its first 200; some more, since some may be locked
      SELECT h.id, h.priority, h.namespace, h.node, l.n + row_number() OVER (PARTITION BY c.name ORDER BY h.priority DESC, h.id) AS turn
      FROM caller c
      CROSS JOIN LATERAL (SELECT coalesce((SELECT b.n FROM by_caller b WHERE b.key = c.name), 0) AS n) l
      CROSS JOIN LATERAL (
        SELECT w.id, w.priority, w.namespace, w.node FROM (
          SELECT q.id, q.priority, q.namespace, q.node, q.attempt, q.expires_at FROM job_pod q
          WHERE q.state = 'queued' AND q.requested_by = c.name ORDER BY q.priority DESC, q.id LIMIT 200) w
        WHERE (w.attempt > 0 OR w.expires_at > clock_timestamp())
          AND coalesce((SELECT b.n FROM by_namespace b WHERE b.key = w.namespace), 0) < max_namespace
          AND (w.node = '' OR coalesce((SELECT b.n FROM by_node b WHERE b.key = w.node), 0) < max_node)
        ORDER BY w.priority DESC, w.id LIMIT least(want + 3, max_caller - l.n)) h
      WHERE l.n < max_caller
    ), ranked AS ( -- places in namespace and node are given in the fair order
      SELECT c.*,
        row_number() OVER (PARTITION BY c.namespace ORDER BY c.turn, c.priority DESC, c.id)
          + coalesce((SELECT b.n FROM by_namespace b WHERE b.key = c.namespace), 0) AS in_namespace,
        row_number() OVER (PARTITION BY c.node ORDER BY c.turn, c.priority DESC, c.id)
          + coalesce((SELECT b.n FROM by_node b WHERE b.key = c.node), 0) AS in_node
      FROM candidate c
    ), pick AS MATERIALIZED ( -- SKIP LOCKED: someone who is just cancelling it must not hold up everybody
      SELECT q.id, r.turn FROM (
        SELECT * FROM ranked WHERE in_namespace <= max_namespace AND (node = '' OR in_node <= max_node) ORDER BY turn, priority DESC, id) r
      -- || '' keeps it from the index of all that is queued
      CROSS JOIN LATERAL (SELECT j.id FROM job_pod j WHERE j.id = r.id AND j.state || '' = 'queued' LIMIT 1 FOR UPDATE SKIP LOCKED) q
      LIMIT want - cardinality(claimed)
    ), taken AS (
      UPDATE job_pod SET state = 'running', attempt = job_pod.attempt + 1, claimed_by = worker,
             lease_until = clock_timestamp() + make_interval(secs => lease_seconds), started_at = coalesce(job_pod.started_at, clock_timestamp())
      WHERE job_pod.id = ANY (ARRAY(SELECT id FROM pick)) RETURNING job_pod.id, job_pod.priority)
    SELECT coalesce(array_agg(t.id ORDER BY p.turn, t.priority DESC, t.id), '{}') INTO picked FROM taken t JOIN pick p ON p.id = t.id;
    EXIT WHEN cardinality(picked) = 0;
    claimed := claimed || picked;
    EXIT WHEN cardinality(claimed) >= want OR NOT EXISTS (SELECT FROM job_pod q WHERE q.state = 'queued');
  END LOOP;
  FOR pod IN SELECT p.* FROM job_pod p WHERE p.id = ANY (claimed) ORDER BY p.id LOOP
    SELECT job.state <> 'running' INTO begins FROM job WHERE job.id = pod.job_id FOR NO KEY UPDATE;
    events := CASE WHEN begins THEN '[{"type": "job", "data": {"state": "running", "verdict": null, "error": null}}]'::jsonb ELSE '[]' END
      || jsonb_build_object('type', 'pod', 'data', jsonb_build_object('id', pod.id, 'namespace', pod.namespace, 'pod', pod.pod,
           'podUid', pod.pod_uid, 'state', 'running', 'verdict', null, 'error', null, 'attempt', pod.attempt));
    UPDATE job SET state = 'running', started_at = coalesce(job.started_at, clock_timestamp()), event_seq = job.event_seq + jsonb_array_length(events)
      WHERE job.id = pod.job_id RETURNING job.event_seq INTO last;
    PERFORM insert_events(pod.job_id, last, events);
    UPDATE outbox SET relayed_at = now() WHERE outbox.job_id = pod.job_id AND relayed_at IS NULL;
  END LOOP;
  RETURN QUERY SELECT json_build_object('jobId', p.job_id, 'jobPodId', p.id, 'attempt', p.attempt, 'worker', worker, 'diagnostic', j.diagnostic,
      'params', j.params, 'principal', j.principal, 'image', j.image, 'timeoutSeconds', j.timeout_seconds, 'namespace', p.namespace,
      'pod', p.pod, 'podUid', p.pod_uid, 'targetContainer', p.target_container, 'cancelAsked', j.cancel_asked_at IS NOT NULL)
    FROM unnest(claimed) WITH ORDINALITY AS c (id, nth)
    CROSS JOIN LATERAL (SELECT * FROM job_pod q WHERE q.id = c.id LIMIT 1) p
    CROSS JOIN LATERAL (SELECT * FROM job k WHERE k.id = p.job_id LIMIT 1) j ORDER BY c.nth;
END $$;

-- Ends a claimed pod; answers its job, or null where this attempt no longer holds it.
CREATE FUNCTION end_pod(pod uuid, held_attempt integer, worker text, only_alone boolean, result jsonb) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
  ending job_pod := jsonb_populate_record(NULL::job_pod, result); job uuid;
BEGIN
  UPDATE job_pod p SET state = ending.state, verdict = ending.verdict, error = ending.error, report = ending.report, findings = ending.findings,
         lease_until = NULL, finished_at = clock_timestamp()
    WHERE p.id = end_pod.pod AND p.attempt = held_attempt AND p.claimed_by = worker AND p.state = 'running' AND (p.alone OR NOT only_alone)
    RETURNING p.job_id INTO job;
  IF FOUND AND jsonb_array_length(ending.findings) > 0 THEN
    INSERT INTO finding (job_pod_id, ordinal, job_id, code, severity)
      SELECT end_pod.pod, f.nth, job, f.finding->>'code', f.finding->>'severity'
      FROM jsonb_array_elements(ending.findings) WITH ORDINALITY AS f (finding, nth);
  END IF;
  RETURN job;
END $$;

-- Writes what core decided for a job whose pods are all final, and its last events, in one new version of its row.
CREATE FUNCTION end_job(job uuid, decided jsonb, events jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  ending job := jsonb_populate_record(NULL::job, decided); last integer;
BEGIN
  UPDATE job j SET state = ending.state, verdict = ending.verdict, error = ending.error, findings = ending.findings,
         search = j.search || coalesce(ending.search, ''), finished_at = clock_timestamp(), event_seq = j.event_seq + jsonb_array_length(events)
    WHERE j.id = job AND j.finished_at IS NULL RETURNING j.event_seq INTO last;
  IF FOUND THEN PERFORM insert_events(job, last, events); END IF;
END $$;

-- Stores output in pieces of 64 KiB; answers the event that points to it, or nothing where it is there already.
CREATE FUNCTION put_output(job uuid, run uuid, stream text, start_byte bigint, bytes bytea) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO run_output (job_id, run_id, stream, start_byte, bytes)
    SELECT job, put_output.run, put_output.stream, put_output.start_byte + i, substring(put_output.bytes FROM i + 1 FOR 65536)
    FROM generate_series(0, octet_length(put_output.bytes) - 1, 65536) i
    ON CONFLICT DO NOTHING;
  RETURN CASE WHEN FOUND THEN jsonb_build_array(jsonb_build_object('type', 'output', 'data', jsonb_build_object(
    'runId', put_output.run, 'stream', put_output.stream, 'offset', put_output.start_byte, 'bytes', octet_length(put_output.bytes))))
    ELSE '[]' END;
END $$;

-- False: the run has ended, and its evidence no longer changes. (FOR SHARE: it cannot end meanwhile.)
CREATE FUNCTION append_output(job uuid, run uuid, stream text, start_byte bigint, bytes bytea) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  events jsonb;
BEGIN
  PERFORM FROM run r WHERE r.id = append_output.run AND r.ended_at IS NULL FOR SHARE;
  IF NOT FOUND THEN RETURN false; END IF;
  events := put_output(job, run, stream, start_byte, bytes);
  IF jsonb_array_length(events) > 0 THEN PERFORM append_events(job, events); END IF;
  RETURN true;
END $$;

CREATE FUNCTION run_started_event(started run) RETURNS jsonb LANGUAGE sql AS $$
  SELECT jsonb_build_array(jsonb_build_object('type', 'run', 'data', jsonb_build_object(
    'phase', 'started', 'runId', started.id, 'jobPodId', started.job_pod_id, 'pod', started.pod, 'argv', started.argv)))
$$;

-- Ends a run, with what was not written down of it yet: that its tool had started, and the last piece of each stream. `ending` is
-- {run, result, agoMs, hasStarted, outStart, errStart}. Answers its job and the events to be written; no job where it has ended already.
CREATE FUNCTION close_run(ending jsonb, out_bytes bytea, err_bytes bytea, OUT job uuid, OUT events jsonb) LANGUAGE plpgsql AS $$
DECLARE
  result run := jsonb_populate_record(NULL::run, ending->'result'); ended run;
BEGIN
  SELECT * INTO ended FROM run r WHERE r.id = (ending->>'run')::uuid AND r.ended_at IS NULL FOR NO KEY UPDATE;
  IF NOT FOUND THEN RETURN; END IF;
  job := ended.job_id;
  events := '[]';
  ended.ended_at := clock_timestamp() - make_interval(secs => (ending->'agoMs')::float / 1000);
  IF (ending->'hasStarted')::boolean AND ended.started_at IS NULL THEN
    ended.started_at := ended.ended_at - make_interval(secs => coalesce(result.duration_ms, 0) / 1000.0);
    events := run_started_event(ended);
  END IF;
  IF out_bytes IS NOT NULL THEN events := events || put_output(job, ended.id, 'stdout', (ending->'outStart')::bigint, out_bytes); END IF;
  IF err_bytes IS NOT NULL THEN events := events || put_output(job, ended.id, 'stderr', (ending->'errStart')::bigint, err_bytes); END IF;
  UPDATE run r SET started_at = ended.started_at, ended_at = ended.ended_at, exit_code = result.exit_code, signal = result.signal,
         end_cause = result.end_cause, duration_ms = result.duration_ms, completeness = result.completeness, streams = result.streams
    WHERE r.id = ended.id;
  events := events || jsonb_build_object('type', 'run', 'data', jsonb_build_object(
    'phase', 'ended', 'runId', ended.id, 'jobPodId', ended.job_pod_id, 'pod', ended.pod, 'exitCode', result.exit_code, 'signal', result.signal,
    'endCause', result.end_cause, 'completeness', result.completeness));
END $$;

-- Answers the job; null where the run has ended already.
CREATE FUNCTION end_run(ending jsonb, out_bytes bytea, err_bytes bytea) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
  closed record;
BEGIN
  SELECT * INTO closed FROM close_run(ending, out_bytes, err_bytes);
  IF closed.job IS NOT NULL THEN PERFORM append_events(closed.job, closed.events); END IF;
  RETURN closed.job;
END $$;

-- The end of a job's only pod is the end of the job, and it takes along the end of its last run: one round trip, one new version of the
-- job's row. `decided` holds both answers of core, for a job whose cancellation was accepted and for one where it was not. False: not held,
-- or not alone, and nothing is changed.
CREATE FUNCTION finish_alone(pod uuid, held_attempt integer, worker text, result jsonb, events jsonb, decided jsonb,
                             last_run jsonb, out_bytes bytea, err_bytes bytea) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
  ended uuid := end_pod(pod, held_attempt, worker, true, result); choice jsonb; before jsonb;
BEGIN
  IF ended IS NULL THEN RETURN false; END IF;
  IF last_run IS NOT NULL THEN SELECT c.events INTO before FROM close_run(last_run, out_bytes, err_bytes) c; END IF;
  IF result->>'state' <> 'succeeded' THEN PERFORM abandon_runs(pod, held_attempt); END IF;
  SELECT decided->CASE WHEN j.cancel_asked_at IS NULL THEN 'plain' ELSE 'cancelled' END INTO choice
    FROM job j WHERE j.id = ended FOR NO KEY UPDATE;
  PERFORM end_job(ended, choice->'job', coalesce(before, '[]') || events || (choice->'events'));
  RETURN true;
END $$;

-- Ends what a lost worker, or one that had no answer from here, left of an attempt: its runs and artifacts keep what was stored. Answers
-- whether a tool may have started: its row stood before it was sent, and the worker may have been lost before it could write down that it
-- had started.
CREATE FUNCTION abandon_runs(pod uuid, lost_attempt integer) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  truncated jsonb := '{"state": "truncated", "reason": "disconnected"}'; events jsonb;
BEGIN
  WITH ended AS (
    UPDATE run r SET ended_at = clock_timestamp(), end_cause = 'disconnected', completeness = truncated, streams = (
        SELECT jsonb_agg(jsonb_build_object('name', s.name, 'receivedBytes', n.stored, 'sha256', null, 'storedBytes', n.stored, 'redactions', 0) ORDER BY s.nth)
        FROM (VALUES (1, 'stdout'), (2, 'stderr')) s (nth, name) CROSS JOIN LATERAL (
          SELECT coalesce((SELECT sum(octet_length(o.bytes)) FROM run_output o WHERE o.job_id = r.job_id AND o.run_id = r.id AND o.stream = s.name),
                          (SELECT sum(a.size_bytes) FROM artifact a WHERE a.run_id = r.id AND s.name = 'stdout'), 0) AS stored) n)
      WHERE r.job_pod_id = abandon_runs.pod AND r.attempt = lost_attempt AND r.ended_at IS NULL RETURNING r.*
  ), sealed AS (
    UPDATE artifact a SET state = 'sealed', sealed_at = clock_timestamp(), completeness = truncated
      FROM run r WHERE r.id = a.run_id AND r.job_pod_id = abandon_runs.pod AND r.attempt = lost_attempt AND a.state = 'growing' RETURNING a.*)
  SELECT jsonb_agg(jsonb_build_object('type', e.type, 'data', e.data) ORDER BY e.type, e.id) INTO events FROM (
    SELECT s.id, 'artifact' AS type, jsonb_build_object('phase', 'sealed', 'artifactId', s.id, 'runId', s.run_id, 'kind', s.kind,
        'contentType', s.content_type, 'sizeBytes', s.size_bytes, 'sha256', s.sha256, 'completeness', s.completeness) AS data FROM sealed s
    UNION ALL
    SELECT e.id, 'run', jsonb_build_object('phase', 'ended', 'runId', e.id, 'jobPodId', e.job_pod_id, 'pod', e.pod, 'exitCode', e.exit_code,
        'signal', e.signal, 'endCause', e.end_cause, 'completeness', e.completeness) FROM ended e) e;
  PERFORM append_events(p.job_id, events) FROM job_pod p WHERE p.id = abandon_runs.pod AND events IS NOT NULL;
  RETURN EXISTS (SELECT FROM run r WHERE r.job_pod_id = abandon_runs.pod AND r.attempt = lost_attempt
    AND (r.started_at IS NOT NULL OR r.end_cause IS NOT NULL));
END $$;
