import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'

export interface AuditRow {
  action: string
  outcome: string
  username: string | null
  namespace: string | null
  object: string
  code: string | null
}

/** The audit events of a service on its embedded Postgres, in order. */
export async function auditRows (dataDir: string): Promise<AuditRow[]> {
  const folder = join(dataDir, 'postgres')
  const password = readFileSync(join(folder, 'password'), 'utf8').trim()
  const client = new pg.Client({ host: folder, user: 'ephemera', database: 'ephemera', password })
  await client.connect()
  try {
    return (await client.query<AuditRow>('SELECT action, outcome, username, namespace, object, code FROM audit_event ORDER BY id')).rows
  } finally {
    await client.end()
  }
}
