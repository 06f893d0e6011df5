/** Parents of the append-only tables; all others are plain. */
export const partitionedTables = ['run_output', 'job_event', 'audit_event']

/** Makes the months that are missing, 3 ahead; ids of a month without a partition are refused by the database (23514). */
export async function ensurePartitions (db: { query (text: string, values: unknown[]): Promise<unknown> }): Promise<void> {
  await db.query('SELECT ensure_partitions(name) FROM unnest($1::text[]) AS name', [partitionedTables])
}
