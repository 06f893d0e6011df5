import type pg from 'pg'

/** Tables of ours: not their partitions, and not what the migrator keeps. */
const tables = `SELECT oid, relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
  AND NOT relispartition AND relname <> '_prisma_migrations'`

const plainIndex = 'i.indpred IS NULL AND i.indexprs IS NULL AND i.indnatts = i.indnkeyatts'
const indexText = 'replace(replace(substring(pg_get_indexdef(i.indexrelid) FROM 8), \' ON ONLY \', \' ON \'), \'public.\', \'\')'

/** What Prisma has words for. */
const prismaPart = `
  SELECT t.relname || '.' || attname || ' ' || format_type(atttypid, atttypmod) || CASE WHEN attnotnull THEN ' NOT NULL' ELSE '' END
    || coalesce(' DEFAULT ' || pg_get_expr(adbin, adrelid), '') AS line
    FROM tables t JOIN pg_attribute ON attrelid = t.oid AND attnum > 0 AND NOT attisdropped LEFT JOIN pg_attrdef ON adrelid = t.oid AND adnum = attnum
  UNION ALL SELECT t.relname || ' ' || conname || ' ' || pg_get_constraintdef(c.oid)
    FROM tables t JOIN pg_constraint c ON conrelid = t.oid WHERE contype IN ('p', 'f', 'u', 'x')
  UNION ALL SELECT ${indexText} FROM tables t JOIN pg_index i ON i.indrelid = t.oid WHERE NOT i.indisprimary AND ${plainIndex}`

/** What it has none for. */
const otherPart = `
  SELECT 'PARTITION ' || t.relname || ' BY ' || pg_get_partkeydef(t.oid) AS line FROM tables t JOIN pg_partitioned_table ON partrelid = t.oid
  UNION ALL SELECT ${indexText} FROM tables t JOIN pg_index i ON i.indrelid = t.oid WHERE NOT i.indisprimary AND NOT (${plainIndex})
  UNION ALL SELECT 'INVALID ' || i.indexrelid::regclass FROM tables t JOIN pg_index i ON i.indrelid = t.oid WHERE NOT i.indisvalid
  UNION ALL SELECT t.relname || ' ' || conname || ' ' || pg_get_constraintdef(c.oid)
    FROM tables t JOIN pg_constraint c ON conrelid = t.oid WHERE contype = 'c'
  UNION ALL SELECT 'FUNCTION ' || proname || '(' || pg_get_function_identity_arguments(oid) || ')'
    FROM pg_proc WHERE pronamespace = 'public'::regnamespace
  UNION ALL SELECT 'TRIGGER ' || tgname FROM tables t JOIN pg_trigger ON tgrelid = t.oid WHERE NOT tgisinternal
  UNION ALL SELECT 'VIEW ' || relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('v', 'm')
  UNION ALL SELECT 'TYPE ' || typname FROM pg_type WHERE typnamespace = 'public'::regnamespace AND typtype IN ('e', 'd')
  UNION ALL SELECT 'SCHEMA ' || nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname NOT IN ('public', 'information_schema')`

/** The live database as lines of text, sorted. */
export async function catalogueLines (db: pg.Client, part: 'prisma' | 'other'): Promise<string[]> {
  const { rows } = await db.query<{ line: string }>(`WITH tables AS (${tables}) ${part === 'prisma' ? prismaPart : otherPart}`)
  return rows.map(({ line }) => line).sort()
}
