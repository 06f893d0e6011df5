-- The newest job that measures, or has measured within maxAgeSeconds, the same in the same pods: diagnostic and version, parameters, image,
-- UIDs and target containers. One that follows another is none, nor is one that was asked to end early. The last 1,000 of a pod are looked
-- at. With `joining`, equal launches go one after another, and the job cannot end before this transaction has.
CREATE OR REPLACE FUNCTION find_source(draft jsonb, joining boolean) RETURNS job LANGUAGE plpgsql AS $$
DECLARE
  wanted job := jsonb_populate_record(NULL::job, draft->'job');
  fresh timestamptz := clock_timestamp() - make_interval(secs => (draft->>'maxAgeSeconds')::integer);
  first text; candidate uuid; found job;
BEGIN
  SELECT min(d.pod_uid) INTO first FROM jsonb_populate_recordset(NULL::job_pod, draft->'pods') d WHERE d.state = 'queued';
  IF first IS NULL THEN RETURN NULL; END IF;
  IF joining THEN PERFORM pg_advisory_xact_lock(hashtextextended(concat_ws(' ', 'flight', first, wanted.diagnostic, wanted.params), 0)); END IF;
  FOR candidate IN
    SELECT j.id FROM (
      SELECT q.job_id FROM job_pod q WHERE q.pod_uid = first AND q.source_pod_id IS NULL AND q.job_id >= uuid7_floor(now() - interval '2 days')
      ORDER BY q.job_id DESC LIMIT 1000) p
    JOIN job j ON j.id = p.job_id
    WHERE j.deduplicated_from IS NULL AND j.diagnostic = wanted.diagnostic AND j.diagnostic_version = wanted.diagnostic_version
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
