/** Use is written down this often at most: many jobs of one pod share a row. */
const everySeconds = 5

/** SQL that notes who uses a session, and when; `id` and `username` are its parameters, as in "$4". */
export const useSession = (id: string, username: string): string => `
  UPDATE session SET last_used_at = now(), used_by = CASE WHEN ${username} = ANY (used_by) THEN used_by ELSE used_by || ${username} END
  WHERE id = ${id} AND (last_used_at < now() - interval '${everySeconds} seconds' OR ${username} <> ALL (used_by))`
