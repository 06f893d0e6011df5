import type { Context } from './context.ts'

/** Artifacts that one look deletes of at the most; the next one goes on. */
const batch = 20

/** Deletes objects whose worker was lost, or gave up, before their row stood: no reader would ever find them. */
export async function deleteStrays ({ database: { artifacts }, bucket }: Pick<Context, 'database' | 'bucket'>): Promise<void> {
  for (const { artifactId, key } of await artifacts.strays(batch)) {
    await bucket.delete(key)
    await artifacts.forget(artifactId, key)
  }
}
