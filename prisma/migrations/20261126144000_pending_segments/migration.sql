-- Keys of objects that were announced before they were put, and whose rows do not stand yet. What is left of them once the artifact is
-- sealed was lost with its worker, or given up, and is deleted.
ALTER TABLE artifact ADD COLUMN pending text[] NOT NULL DEFAULT '{}';
CREATE INDEX artifact_pending ON artifact (sealed_at) WHERE state = 'sealed' AND pending <> '{}';
