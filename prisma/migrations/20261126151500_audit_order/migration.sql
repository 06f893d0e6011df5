-- Audit events are in the order of their ids. The id that comes has the time of a machine, whose clock may be wrong: here it gets the
-- database's, to a quarter of a microsecond, and keeps what is random in it.
CREATE OR REPLACE FUNCTION record_audit(event jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  micros bigint := floor(extract(epoch FROM clock_timestamp()) * 1000000);
  id text := lpad(to_hex(micros / 1000), 12, '0') || '7' || lpad(to_hex((micros % 1000) * 4096 / 1000), 3, '0');
BEGIN
  event := jsonb_set(event, '{id}', to_jsonb(id || substr(replace(event->>'id', '-', ''), 17)));
  INSERT INTO audit_event (id, action, outcome, username, principal, namespace, object, code, detail)
    SELECT r.id, r.action, r.outcome, r.username, r.principal, r.namespace, r.object, r.code, r.detail
    FROM jsonb_populate_record(NULL::audit_event, event) r;
END $$;
