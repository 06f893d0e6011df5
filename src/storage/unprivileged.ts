import { spawnSync } from 'node:child_process'
import { chown, mkdir, stat } from 'node:fs/promises'

/** Has a name on every Linux, which initdb wants. */
const nobody = 65534

const userNamespace = ['unshare', '-U', `--map-user=${nobody}`, `--map-group=${nobody}`, '--']

function works ([program, ...args]: string[]): boolean {
  return spawnSync(program!, [...args, 'true'], { stdio: 'ignore' }).status === 0
}

/**
 * Makes `folder`, and answers what to put before the argv of a program that refuses to run as root (Postgres) and works in it: nothing for
 * other users, a user namespace in which root's files belong to an ordinary user, or else nobody, who is given the folder.
 */
export async function unprivileged (folder: string): Promise<string[]> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  if (process.getuid?.() !== 0) return []
  const owner = (await stat(folder)).uid
  if (owner === 0 && works(userNamespace)) return userNamespace
  await chown(folder, nobody, nobody)
  return ['setpriv', `--reuid=${nobody}`, `--regid=${nobody}`, '--clear-groups']
}
