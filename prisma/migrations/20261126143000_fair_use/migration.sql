-- Who shares the measurement of another job, what captures, and how many may wait. The functions that older versions call keep their names,
-- arguments and answers.
--
-- source_pod_id: the pod of another job whose measurement this one shares. Until that has ended it is nobody's to claim, and it counts in
-- no limit; then what was measured is read by it.
ALTER TABLE job_pod
  ADD COLUMN captures boolean NOT NULL DEFAULT false,
  ADD COLUMN source_pod_id uuid,
  DROP CONSTRAINT job_pod_claim_is_whole,
  ADD CONSTRAINT job_pod_claim_is_whole
    CHECK (state <> 'running' OR source_pod_id IS NOT NULL OR (claimed_by IS NOT NULL AND lease_until IS NOT NULL));
DROP INDEX job_pod_queued;
CREATE INDEX job_pod_queued ON job_pod (requested_by, priority DESC, id) INCLUDE (namespace, node) WHERE state = 'queued' AND source_pod_id IS NULL;
DROP INDEX job_pod_running;
CREATE INDEX job_pod_running ON job_pod (requested_by, namespace, node) WHERE state = 'running' AND source_pod_id IS NULL;
CREATE INDEX job_pod_capturing ON job_pod (pod_uid) WHERE captures AND state = 'running' AND source_pod_id IS NULL;

-- Jobs that wait for the end of another one. A row goes when its job has ended, or is measured by itself.
CREATE TABLE job_follower (
  job_id uuid PRIMARY KEY REFERENCES job (id) ON DELETE CASCADE ON UPDATE CASCADE,
  source_id uuid NOT NULL,
  own_only boolean NOT NULL
);
CREATE INDEX job_follower_source ON job_follower (source_id);

-- As claim_job_pods() did, with two more limits: so many captures in one pod; and not more than 4 pods by one look at the queue: whoever joins
-- it meanwhile waits for those, and is first at the next look, with at most 3 others.
CREATE FUNCTION claim_pods(worker text, want integer, lease_seconds integer, max_caller integer, max_namespace integer, max_node integer,
                           max_captures integer)
RETURNS SETOF json LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
DECLARE
  claimed uuid[] := '{}'; picked uuid[]; pod job_pod; begins boolean; events jsonb; last integer;
BEGIN
  -- Most of who asks finds nothing: each end of a pod is an occasion to look.
  IF NOT EXISTS (SELECT FROM job_pod q WHERE q.state = 'queued' AND q.source_pod_id IS NULL) THEN RETURN; END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended('claim', 0)); -- the statements below see what the claimer before us committed
  LOOP
    WITH RECURSIVE busy AS MATERIALIZED (
      SELECT r.requested_by, r.namespace, r.node FROM job_pod r WHERE r.state = 'running' AND r.source_pod_id IS NULL
    ), by_caller AS MATERIALIZED (SELECT requested_by AS key, count(*) AS n FROM busy GROUP BY 1
    ), by_namespace AS MATERIALIZED (SELECT namespace AS key, count(*) AS n FROM busy GROUP BY 1
    ), by_node AS MATERIALIZED (SELECT node AS key, count(*) AS n FROM busy GROUP BY 1
    ), caller AS ( -- distinct callers with something queued: one index probe each
      (SELECT q.requested_by AS name FROM job_pod q WHERE q.state = 'queued' AND q.source_pod_id IS NULL ORDER BY q.requested_by LIMIT 1)
      UNION ALL
      SELECT n.name FROM caller c CROSS JOIN LATERAL (
        SELECT q.requested_by AS name FROM job_pod q WHERE q.state = 'queued' AND q.source_pod_id IS NULL AND q.requested_by > c.name
        ORDER BY q.requested_by LIMIT 1) n
    ), candidate AS MATERIALIZED ( -- of each caller as many as it has room for, out of its first 200; some more, since some may be locked
      SELECT h.id, h.priority, h.namespace, h.node, h.captures, h.pod_uid,
        l.n + row_number() OVER (PARTITION BY c.name ORDER BY h.priority DESC, h.id) AS turn
      FROM caller c
      CROSS JOIN LATERAL (SELECT coalesce((SELECT b.n FROM by_caller b WHERE b.key = c.name), 0) AS n) l
      CROSS JOIN LATERAL (
        SELECT w.id, w.priority, w.namespace, w.node, w.captures, w.pod_uid FROM (
          SELECT q.id, q.priority, q.namespace, q.node, q.captures, q.pod_uid, q.attempt, q.expires_at FROM job_pod q
          WHERE q.state = 'queued' AND q.source_pod_id IS NULL AND q.requested_by = c.name ORDER BY q.priority DESC, q.id LIMIT 200) w
        WHERE (w.attempt > 0 OR w.expires_at > clock_timestamp())
          AND coalesce((SELECT b.n FROM by_namespace b WHERE b.key = w.namespace), 0) < max_namespace
          AND (w.node = '' OR coalesce((SELECT b.n FROM by_node b WHERE b.key = w.node), 0) < max_node)
          AND (NOT w.captures OR (
            SELECT count(*) FROM job_pod r WHERE r.pod_uid = w.pod_uid AND r.captures AND r.state = 'running' AND r.source_pod_id IS NULL) < max_captures)
        ORDER BY w.priority DESC, w.id LIMIT least(want + 3, max_caller - l.n)) h
      WHERE l.n < max_caller
    ), ranked AS ( -- places in namespace, node and pod are given in the fair order
      SELECT c.*,
        row_number() OVER (PARTITION BY c.namespace ORDER BY c.turn, c.priority DESC, c.id)
          + coalesce((SELECT b.n FROM by_namespace b WHERE b.key = c.namespace), 0) AS in_namespace,
        row_number() OVER (PARTITION BY c.node ORDER BY c.turn, c.priority DESC, c.id)
          + coalesce((SELECT b.n FROM by_node b WHERE b.key = c.node), 0) AS in_node,
        CASE WHEN c.captures THEN row_number() OVER (PARTITION BY c.captures, c.pod_uid ORDER BY c.turn, c.priority DESC, c.id) + (
          SELECT count(*) FROM job_pod r WHERE r.pod_uid = c.pod_uid AND r.captures AND r.state = 'running' AND r.source_pod_id IS NULL)
          ELSE 0 END AS in_pod
      FROM candidate c
    ), pick AS MATERIALIZED ( -- SKIP LOCKED: someone who is just cancelling it must not hold up everybody
      SELECT q.id, r.turn FROM (
        SELECT * FROM ranked WHERE in_namespace <= max_namespace AND (node = '' OR in_node <= max_node) AND in_pod <= max_captures
        ORDER BY turn, priority DESC, id) r
      -- || '' keeps it from the index of all that is queued
      CROSS JOIN LATERAL (SELECT j.id FROM job_pod j WHERE j.id = r.id AND j.state || '' = 'queued' LIMIT 1 FOR UPDATE SKIP LOCKED) q
      LIMIT least(want - cardinality(claimed), 4)
    ), taken AS (
      UPDATE job_pod SET state = 'running', attempt = job_pod.attempt + 1, claimed_by = worker,
             lease_until = clock_timestamp() + make_interval(secs => lease_seconds), started_at = coalesce(job_pod.started_at, clock_timestamp())
      WHERE job_pod.id = ANY (ARRAY(SELECT id FROM pick)) RETURNING job_pod.id, job_pod.priority)
    SELECT coalesce(array_agg(t.id ORDER BY p.turn, t.priority DESC, t.id), '{}') INTO picked FROM taken t JOIN pick p ON p.id = t.id;
    EXIT WHEN cardinality(picked) = 0;
    claimed := claimed || picked;
    EXIT WHEN cardinality(claimed) >= want OR NOT EXISTS (SELECT FROM job_pod q WHERE q.state = 'queued' AND q.source_pod_id IS NULL);
  END LOOP;
  FOR pod IN SELECT p.* FROM job_pod p WHERE p.id = ANY (claimed) ORDER BY p.id LOOP
    SELECT job.state <> 'running' INTO begins FROM job WHERE job.id = pod.job_id FOR NO KEY UPDATE;
    events := CASE WHEN begins THEN '[{"type": "job", "data": {"state": "running", "verdict": null, "error": null}}]'::jsonb ELSE '[]' END
      || jsonb_build_object('type', 'pod', 'data', jsonb_build_object('id', pod.id, 'namespace', pod.namespace, 'pod', pod.pod,
           'podUid', pod.pod_uid, 'state', 'running', 'verdict', null, 'error', null, 'attempt', pod.attempt));
    UPDATE job SET state = 'running', started_at = coalesce(job.started_at, clock_timestamp()), event_seq = job.event_seq + jsonb_array_length(events)
      WHERE job.id = pod.job_id RETURNING job.event_seq INTO last;
    PERFORM insert_events(pod.job_id, last, events);
    IF begins THEN PERFORM start_follower(f.job_id) FROM job_follower f WHERE f.source_id = pod.job_id; END IF;
    UPDATE outbox SET relayed_at = now() WHERE outbox.job_id = pod.job_id AND relayed_at IS NULL;
  END LOOP;
  RETURN QUERY SELECT json_build_object('jobId', p.job_id, 'jobPodId', p.id, 'attempt', p.attempt, 'worker', worker, 'diagnostic', j.diagnostic,
      'params', j.params, 'principal', j.principal, 'image', j.image, 'timeoutSeconds', j.timeout_seconds, 'namespace', p.namespace,
      'pod', p.pod, 'podUid', p.pod_uid, 'targetContainer', p.target_container, 'cancelAsked', j.cancel_asked_at IS NOT NULL)
    FROM unnest(claimed) WITH ORDINALITY AS c (id, nth)
    CROSS JOIN LATERAL (SELECT * FROM job_pod q WHERE q.id = c.id LIMIT 1) p
    CROSS JOIN LATERAL (SELECT * FROM job k WHERE k.id = p.job_id LIMIT 1) j ORDER BY c.nth;
END $$;

CREATE OR REPLACE FUNCTION claim_job_pods(worker text, want integer, lease_seconds integer, max_caller integer, max_namespace integer, max_node integer)
RETURNS SETOF json LANGUAGE plpgsql AS $$
BEGIN
  RETURN QUERY SELECT claim_pods(worker, want, lease_seconds, max_caller, max_namespace, max_node, 1);
END $$;

-- Where jobs stand among all pods that wait, in the order in which pods are claimed while no limit is reached; 1 is next. Jobs that do not
-- wait are not answered; one that follows another stands where that does.
CREATE FUNCTION queue_positions(jobs uuid[]) RETURNS TABLE (job uuid, place integer) LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN QUERY
    WITH busy AS (
      SELECT r.requested_by, count(*) AS n FROM job_pod r WHERE r.state = 'running' AND r.source_pod_id IS NULL GROUP BY 1
    ), waiting AS (
      SELECT q.job_id, q.priority, q.id,
        coalesce(b.n, 0) + row_number() OVER (PARTITION BY q.requested_by ORDER BY q.priority DESC, q.id) AS turn
      FROM job_pod q LEFT JOIN busy b ON b.requested_by = q.requested_by WHERE q.state = 'queued' AND q.source_pod_id IS NULL
    ), placed AS (SELECT w.job_id, row_number() OVER (ORDER BY w.turn, w.priority DESC, w.id) AS nth FROM waiting w)
    SELECT a.id, min(p.nth)::integer FROM unnest(jobs) AS a (id) LEFT JOIN job_follower f ON f.job_id = a.id
    JOIN placed p ON p.job_id = coalesce(f.source_id, a.id) GROUP BY a.id;
END $$;

-- Takes one of so many places of a name, by the database's clock; answers the name of the lease, or null where all are taken. Those who ask
-- at the same time go one after another: each must see what the one before has taken.
CREATE FUNCTION take_place(name text, holder text, seconds integer, width integer) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  place text;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('place ' || take_place.name, 0));
  SELECT n.place INTO place FROM (SELECT take_place.name || '#' || i AS place FROM generate_series(1, width) i) n
    WHERE NOT EXISTS (SELECT FROM lease l WHERE l.name = n.place AND l.until > clock_timestamp()) LIMIT 1;
  IF place IS NULL THEN RETURN NULL; END IF;
  INSERT INTO lease AS l (name, holder, until) VALUES (place, take_place.holder, clock_timestamp() + make_interval(secs => seconds))
    ON CONFLICT ON CONSTRAINT lease_pkey DO UPDATE SET holder = excluded.holder, until = excluded.until;
  RETURN place;
END $$;

-- Whether so many more pods of a caller may wait. Far below the limit nobody waits for anybody: it would take 1,000 pods, launched by jobs of
-- few pods while one transaction lasts, to pass it. Near it, launches of one caller go one after another, and none passes it.
CREATE FUNCTION has_room(caller text, more integer, max_queued integer) RETURNS boolean LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
  waiting integer;
BEGIN
  IF max_queued IS NULL OR more = 0 THEN RETURN true; END IF;
  SELECT count(*) INTO waiting FROM (
    SELECT FROM job_pod q WHERE q.state = 'queued' AND q.source_pod_id IS NULL AND q.requested_by = caller LIMIT max_queued) w;
  IF more <= 10 AND waiting + 1000 <= max_queued THEN RETURN true; END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended('queue ' || caller, 0)); -- the statement below sees what others committed meanwhile
  SELECT count(*) INTO waiting FROM (
    SELECT FROM job_pod q WHERE q.state = 'queued' AND q.source_pod_id IS NULL AND q.requested_by = caller LIMIT max_queued) w;
  RETURN waiting + more <= max_queued;
END $$;

-- Whether every pod of a job was measured, or still may be, but for those that were refused at the launch.
CREATE FUNCTION is_whole(job uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT NOT EXISTS (
    SELECT FROM job_pod p WHERE p.job_id = job AND NOT (p.state = 'failed' AND p.attempt = 0)
      AND (p.state NOT IN ('queued', 'running', 'succeeded') OR p.error IS NOT NULL))
$$;

-- The newest job that measures, or has measured within maxAgeSeconds, the same in the same pods: diagnostic and version, parameters, image,
-- UIDs and target containers. One that follows another is none, nor is one that was asked to end early. With `joining`, equal launches go one
-- after another, and the job cannot end before this transaction has.
CREATE FUNCTION find_source(draft jsonb, joining boolean) RETURNS job LANGUAGE plpgsql AS $$
DECLARE
  wanted job := jsonb_populate_record(NULL::job, draft->'job');
  fresh timestamptz := clock_timestamp() - make_interval(secs => (draft->>'maxAgeSeconds')::integer);
  first text; candidate uuid; found job;
BEGIN
  SELECT min(d.pod_uid) INTO first FROM jsonb_populate_recordset(NULL::job_pod, draft->'pods') d WHERE d.state = 'queued';
  IF first IS NULL THEN RETURN NULL; END IF;
  IF joining THEN PERFORM pg_advisory_xact_lock(hashtextextended(concat_ws(' ', 'flight', first, wanted.diagnostic, wanted.params), 0)); END IF;
  FOR candidate IN
    SELECT j.id FROM job_pod p JOIN job j ON j.id = p.job_id
    WHERE p.pod_uid = first AND p.source_pod_id IS NULL AND p.job_id >= uuid7_floor(now() - interval '2 days')
      AND j.deduplicated_from IS NULL AND j.diagnostic = wanted.diagnostic AND j.diagnostic_version = wanted.diagnostic_version
      AND j.image = wanted.image AND j.params = wanted.params AND j.pod_count = wanted.pod_count
      AND (NOT coalesce((draft->>'ownOnly')::boolean, false) OR is_same_caller(j, wanted))
      AND NOT EXISTS (
        SELECT FROM jsonb_populate_recordset(NULL::job_pod, draft->'pods') d WHERE NOT EXISTS (
          SELECT FROM job_pod s WHERE s.job_id = j.id AND s.pod_uid = d.pod_uid AND CASE d.state
            WHEN 'queued' THEN s.target_container = d.target_container AND NOT (s.state = 'failed' AND s.attempt = 0)
            ELSE s.state = 'failed' AND s.attempt = 0 AND s.error->>'code' = d.error->>'code' END))
    ORDER BY p.job_id DESC LIMIT 20
  LOOP
    IF joining THEN
      SELECT * INTO found FROM job j WHERE j.id = candidate FOR SHARE;
    ELSE
      SELECT * INTO found FROM job j WHERE j.id = candidate;
    END IF;
    IF found.cancel_asked_at IS NULL AND found.finish_asked_at IS NULL AND is_whole(found.id)
       AND (found.state IN ('queued', 'running') OR (found.state = 'succeeded' AND found.finished_at >= fresh)) THEN RETURN found; END IF;
  END LOOP;
  RETURN NULL;
END $$;

CREATE FUNCTION is_same_caller(one job, other job) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
  SELECT one.requested_by = other.requested_by AND one.actor IS NOT DISTINCT FROM other.actor
     AND one.principal->>'uid' IS NOT DISTINCT FROM other.principal->>'uid'
$$;

CREATE FUNCTION pod_event(pod job_pod) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
  SELECT jsonb_build_object('type', 'pod', 'data', jsonb_build_object('id', pod.id, 'namespace', pod.namespace, 'pod', pod.pod, 'podUid', pod.pod_uid,
    'state', pod.state, 'verdict', pod.verdict, 'error', pod.error, 'attempt', pod.attempt))
$$;

-- The job that another follows has begun, and so has that. (Pods are locked before their job, here and below, as everywhere.)
CREATE FUNCTION start_follower(follower uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  events jsonb; last integer;
BEGIN
  WITH begun AS (
    UPDATE job_pod p SET state = 'running', started_at = clock_timestamp()
      WHERE p.job_id = follower AND p.source_pod_id IS NOT NULL AND p.state = 'queued' RETURNING p.*)
  SELECT jsonb_agg(pod_event(b::job_pod) ORDER BY b.id) INTO events FROM begun b;
  IF events IS NULL THEN RETURN; END IF;
  events := '[{"type": "job", "data": {"state": "running", "verdict": null, "error": null}}]'::jsonb || events;
  UPDATE job j SET state = 'running', started_at = coalesce(j.started_at, clock_timestamp()), event_seq = j.event_seq + jsonb_array_length(events)
    WHERE j.id = follower RETURNING j.event_seq INTO last;
  PERFORM insert_events(follower, last, events);
END $$;

CREATE FUNCTION running_of(caller text) RETURNS bigint LANGUAGE sql STABLE AS $$
  SELECT count(*) FROM job_pod r WHERE r.state = 'running' AND r.source_pod_id IS NULL AND r.requested_by = caller
$$;

-- A job that waits and is followed by one of another caller, or of a higher priority, waits where it is reached sooner.
CREATE FUNCTION hasten(source uuid, follower job) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  higher smallint := CASE follower.priority WHEN 'interactive' THEN 1 ELSE 0 END;
  waits job_pod; before bigint; there bigint;
BEGIN
  SELECT * INTO waits FROM job_pod p WHERE p.job_id = source AND p.state || '' = 'queued' ORDER BY p.id LIMIT 1 FOR UPDATE SKIP LOCKED;
  IF NOT FOUND THEN RETURN; END IF;
  before := running_of(waits.requested_by) + (
    SELECT count(*) FROM job_pod q WHERE q.state = 'queued' AND q.source_pod_id IS NULL AND q.requested_by = waits.requested_by
      AND (q.priority, waits.id) > (waits.priority, q.id));
  there := running_of(follower.requested_by) + (
    SELECT count(*) FROM job_pod q WHERE q.state = 'queued' AND q.source_pod_id IS NULL AND q.requested_by = follower.requested_by
      AND q.priority >= higher);
  UPDATE job_pod SET priority = greatest(priority, higher), requested_by = CASE WHEN there < before THEN follower.requested_by ELSE requested_by END
    WHERE id IN (SELECT p.id FROM job_pod p WHERE p.job_id = source AND p.state || '' = 'queued' FOR UPDATE SKIP LOCKED);
END $$;

-- Ends a job with the result of the one that it follows: reports, findings and verdicts as they are there, runs and artifacts by reference,
-- and what happened to them told again.
CREATE FUNCTION take_result(follower uuid, source uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  result job; events jsonb; pods jsonb;
BEGIN
  SELECT * INTO result FROM job j WHERE j.id = source;
  UPDATE job_pod p SET state = s.state, verdict = s.verdict, report = s.report, findings = s.findings, session_id = s.session_id,
         session_reused = true, started_at = coalesce(p.started_at, clock_timestamp()), finished_at = clock_timestamp()
    FROM job_pod s WHERE p.job_id = follower AND s.id = p.source_pod_id;
  INSERT INTO finding (job_pod_id, ordinal, job_id, code, severity)
    SELECT p.id, f.ordinal, follower, f.code, f.severity FROM job_pod p JOIN finding f ON f.job_pod_id = p.source_pod_id WHERE p.job_id = follower;
  UPDATE job j SET started_at = coalesce(j.started_at, clock_timestamp()) WHERE j.id = follower;
  SELECT coalesce(jsonb_agg(jsonb_build_object('type', e.type, 'data', e.data || CASE
      WHEN e.data ? 'jobPodId' THEN jsonb_build_object('jobPodId', (
        SELECT p.id FROM job_pod p WHERE p.job_id = follower AND p.source_pod_id = (e.data->>'jobPodId')::uuid))
      WHEN e.type = 'output' THEN jsonb_build_object('jobId', source) -- where its text is read
      ELSE '{}' END) ORDER BY e.seq), '[]')
    INTO events FROM job_event e WHERE e.job_id = source AND e.type IN ('run', 'output', 'artifact', 'finding');
  SELECT jsonb_agg(pod_event(p) ORDER BY p.id) INTO pods FROM job_pod p WHERE p.job_id = follower AND p.source_pod_id IS NOT NULL;
  PERFORM end_job(follower, jsonb_build_object('state', result.state, 'verdict', result.verdict, 'findings', result.findings, 'search', (
      SELECT string_agg(lower(E'\n' || (f->>'code') || ' ' || (f->>'message')), '') FROM jsonb_array_elements(result.findings) f)),
    events || pods || jsonb_build_array(
      jsonb_build_object('type', 'job', 'data', jsonb_build_object('state', result.state, 'verdict', result.verdict, 'error', null)),
      jsonb_build_object('type', 'end', 'data', jsonb_build_object('state', result.state, 'verdict', result.verdict))));
END $$;

-- The job that another followed gave no result for it: it is measured by itself. Its time to start begins again where it had begun.
CREATE FUNCTION release_follower(follower job) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  events jsonb; last integer;
BEGIN
  DELETE FROM job_follower f WHERE f.job_id = follower.id;
  WITH freed AS (
    UPDATE job_pod p SET source_pod_id = NULL, state = 'queued', started_at = NULL,
           expires_at = CASE p.state WHEN 'running' THEN clock_timestamp() + (follower.expires_at - follower.created_at) ELSE p.expires_at END
      WHERE p.job_id = follower.id AND p.source_pod_id IS NOT NULL AND p.state IN ('queued', 'running') RETURNING p.*)
  SELECT jsonb_agg(jsonb_set(pod_event(f::job_pod), '{data, reason}', '"The job that it followed gave no result"') ORDER BY f.id)
    INTO events FROM freed f;
  events := '[{"type": "job", "data": {"state": "queued", "verdict": null, "error": null}}]'::jsonb || coalesce(events, '[]');
  UPDATE job j SET state = 'queued', started_at = NULL, deduplicated_from = NULL, event_seq = j.event_seq + jsonb_array_length(events)
    WHERE j.id = follower.id RETURNING j.event_seq INTO last;
  PERFORM insert_events(follower.id, last, events);
  INSERT INTO outbox (job_id) VALUES (follower.id) ON CONFLICT DO NOTHING;
END $$;

-- Ends those who follow a job that has ended. Where it gave no whole result, the oldest of them is measured by itself, and the others follow
-- that one, those who may follow their own only, if it is theirs.
CREATE FUNCTION settle_followers(source uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  ended job; waits job_follower; follower job; leader job; usable boolean;
BEGIN
  IF NOT EXISTS (SELECT FROM job_follower f WHERE f.source_id = source) THEN RETURN; END IF;
  SELECT * INTO ended FROM job j WHERE j.id = source;
  usable := coalesce(ended.state = 'succeeded' AND ended.finish_asked_at IS NULL AND is_whole(source), false);
  FOR waits IN SELECT * FROM job_follower f WHERE f.source_id = source ORDER BY f.job_id LOOP
    PERFORM FROM job_pod p WHERE p.job_id = waits.job_id ORDER BY p.id FOR UPDATE;
    SELECT * INTO follower FROM job j WHERE j.id = waits.job_id FOR NO KEY UPDATE;
    -- Somebody else has ended or settled it meanwhile.
    CONTINUE WHEN NOT EXISTS (SELECT FROM job_follower f WHERE f.job_id = waits.job_id AND f.source_id = source);
    IF usable AND follower.cancel_asked_at IS NULL AND NOT EXISTS (
      SELECT FROM job_pod p WHERE p.job_id = follower.id AND p.source_pod_id IS NOT NULL AND p.state NOT IN ('queued', 'running')) THEN
      PERFORM take_result(follower.id, source);
    ELSIF leader.id IS NULL OR (waits.own_only AND NOT is_same_caller(leader, follower)) THEN
      PERFORM release_follower(follower);
      IF leader.id IS NULL AND follower.cancel_asked_at IS NULL THEN leader := follower; END IF;
    ELSE
      UPDATE job_follower f SET source_id = leader.id WHERE f.job_id = follower.id;
      UPDATE job j SET deduplicated_from = leader.id WHERE j.id = follower.id;
      UPDATE job_pod p SET source_pod_id = l.id FROM job_pod l
        WHERE p.job_id = follower.id AND p.source_pod_id IS NOT NULL AND l.job_id = leader.id AND l.pod_uid = p.pod_uid;
    END IF;
  END LOOP;
END $$;

-- As before, and for those who follow the job.
CREATE OR REPLACE FUNCTION end_job(job uuid, decided jsonb, events jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  ending job := jsonb_populate_record(NULL::job, decided); last integer;
BEGIN
  UPDATE job j SET state = ending.state, verdict = ending.verdict, error = ending.error, findings = ending.findings,
         search = j.search || coalesce(ending.search, ''), finished_at = clock_timestamp(), event_seq = j.event_seq + jsonb_array_length(events)
    WHERE j.id = job AND j.finished_at IS NULL RETURNING j.event_seq INTO last;
  IF NOT FOUND THEN RETURN; END IF;
  PERFORM insert_events(job, last, events);
  IF EXISTS (SELECT FROM job_follower) THEN -- most of the time there are none at all
    DELETE FROM job_follower f WHERE f.job_id = end_job.job;
    PERFORM settle_followers(job);
  END IF;
END $$;

-- As before; runs of a pod that shares a measurement are those of the pod that was measured.
CREATE OR REPLACE FUNCTION pod_documents(job uuid, after uuid, want integer) RETURNS json LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN (
    SELECT coalesce(json_agg(json_build_object(
      'pod', row_to_json(p),
      'session', (SELECT row_to_json(s) FROM session s WHERE s.id = p.session_id),
      'runs', (
        SELECT coalesce(json_agg(json_build_object(
          'run', row_to_json(r),
          'artifacts', (SELECT coalesce(json_agg(row_to_json(a) ORDER BY a.id), '[]') FROM artifact a WHERE a.run_id = r.id)
        ) ORDER BY r.id), '[]') FROM run r WHERE r.job_pod_id = coalesce(p.source_pod_id, p.id))
    ) ORDER BY p.id), '[]')
    FROM (SELECT * FROM job_pod q WHERE q.job_id = job AND (after IS NULL OR q.id > after) ORDER BY q.id LIMIT want) p);
END $$;

-- As before, with what newer versions send: how many pods of it will wait, and maxQueued (outcome full: there is no room for them);
-- maxAgeSeconds with ownOnly (a result of another job will do, whoever launched it, or of the caller's own only; document: of a job that
-- follows one or took its result); and which pods captures go into.
CREATE OR REPLACE FUNCTION create_job(draft jsonb, inline_pods integer, OUT outcome text, OUT created_at timestamptz, OUT document json) LANGUAGE plpgsql AS $$
DECLARE
  made job := jsonb_populate_record(NULL::job, draft->'job');
  used idempotency_key := jsonb_populate_record(NULL::idempotency_key, draft->'idempotency');
  known idempotency_key;
  own_only boolean := coalesce((draft->>'ownOnly')::boolean, false);
  source job; audit jsonb := draft->'audit';
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
  IF draft ? 'maxAgeSeconds' THEN
    SELECT * INTO source FROM find_source(draft, true);
    made.deduplicated_from := source.id;
  END IF;
  IF source.id IS NOT NULL THEN
    audit := jsonb_set(audit, '{detail, deduplicatedFrom}', to_jsonb(source.id));
  ELSIF NOT has_room(made.requested_by, (draft->>'waiting')::integer, (draft->>'maxQueued')::integer) THEN
    DELETE FROM idempotency_key k WHERE k.username = used.username AND k.key = used.key;
    outcome := 'full';
    RETURN;
  END IF;
  made.expires_at := now() + make_interval(secs => (draft->>'startWithinSeconds')::integer);
  INSERT INTO job (id, namespace, diagnostic, diagnostic_version, retry_safe, target, params, reason, labels, label_index, image, priority,
                   timeout_seconds, expires_at, matched, rule, pod_count, requested_by, actor, principal, state, error, search, event_seq,
                   finished_at, deduplicated_from)
    VALUES (made.id, made.namespace, made.diagnostic, made.diagnostic_version, made.retry_safe, made.target, made.params, made.reason, made.labels,
            made.label_index, made.image, made.priority, made.timeout_seconds, made.expires_at, made.matched, made.rule, made.pod_count,
            made.requested_by, made.actor, made.principal, made.state, made.error, made.search, jsonb_array_length(draft->'events'),
            CASE WHEN made.state NOT IN ('awaitingApproval', 'queued') THEN now() END, made.deduplicated_from)
    RETURNING job.created_at INTO created_at;
  INSERT INTO job_pod (id, job_id, alone, requested_by, priority, namespace, pod, pod_uid, node, owner_kind, owner_name, target_container,
                       snapshot, state, error, expires_at, finished_at, captures)
    SELECT d.id, made.id, made.pod_count = 1, made.requested_by, d.priority, d.namespace, d.pod, d.pod_uid, d.node, d.owner_kind, d.owner_name,
           d.target_container, d.snapshot, d.state, d.error, made.expires_at, CASE WHEN d.state = 'failed' THEN now() END,
           coalesce(d.captures, false)
    FROM jsonb_populate_recordset(NULL::job_pod, draft->'pods') d;
  PERFORM insert_events(made.id, jsonb_array_length(draft->'events'), draft->'events');
  PERFORM record_audit(audit);
  INSERT INTO outbox (job_id) SELECT made.id WHERE made.state = 'queued' AND source.id IS NULL;
  IF source.id IS NOT NULL THEN
    UPDATE job_pod p SET source_pod_id = s.id FROM job_pod s
      WHERE p.job_id = made.id AND p.state = 'queued' AND s.job_id = source.id AND s.pod_uid = p.pod_uid;
    IF source.finished_at IS NOT NULL THEN
      PERFORM take_result(made.id, source.id);
    ELSE
      INSERT INTO job_follower (job_id, source_id, own_only) VALUES (made.id, source.id, own_only);
      IF source.state = 'running' THEN PERFORM start_follower(made.id); ELSE PERFORM hasten(source.id, made); END IF;
    END IF;
    document := job_document(made.id, inline_pods);
  END IF;
  outcome := 'created';
END $$;
