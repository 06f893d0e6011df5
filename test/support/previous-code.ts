import { execFileSync } from 'node:child_process'
import { readdirSync, symlinkSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'

const root = fileURLToPath(new URL('../..', import.meta.url))
const needed = ['src', 'prisma', 'prisma.config.ts', 'package.json', 'test/support']

function git (...args: string[]): string {
  try {
    return execFileSync('git', ['-C', root, ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim()
  } catch (error) {
    throw new Error('Cannot get the code before the newest migration: this needs a clone of the repository with its history', { cause: error })
  }
}

const migrationsAt = (commit: string): string[] =>
  git('ls-tree', '--name-only', commit, 'prisma/migrations/').split('\n').map(path => path.split('/').at(-1)!).filter(name => /^\d/.test(name))

/**
 * The last commit before the newest migration: what runs beside this version while it rolls out. Where the first migration is the only one,
 * there is none, and it is the present one.
 */
function previousCommit (): string {
  const committed = migrationsAt('HEAD')
  if (readdirSync(join(root, 'prisma/migrations')).some(name => /^\d/.test(name) && !committed.includes(name))) return 'HEAD'
  const added = git('log', '-1', '--diff-filter=A', '--format=%H', '--', 'prisma/migrations/*/migration.sql')
  if (committed.length === 1) return 'HEAD'
  const [, parent] = git('rev-list', '--parents', '-1', added).split(' ')
  if (parent !== undefined) return parent
  throw new Error('Cannot get the code before the newest migration: this clone is shallow; run git fetch --unshallow')
}

export interface Code {
  commit: string
  migrations: string[]
  /** A module of that code, by its path in the repository. */
  load<Module> (path: string): Promise<Module>
}

/** The code before the newest migration, in a folder of its own with a client of its own schema. */
export async function previousCode (t: Test): Promise<Code> {
  const commit = git('rev-parse', previousCommit())
  const folder = await mkdtemp(join(tmpdir(), 'ephemera-previous-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const archive = execFileSync('git', ['-C', root, 'archive', commit, ...needed], { maxBuffer: 256 << 20 })
  execFileSync('tar', ['-x', '-C', folder], { input: archive })
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  execFileSync(process.execPath, [join(root, 'node_modules/prisma/build/index.js'), 'generate'], { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
  return { commit, migrations: migrationsAt(commit), load: path => import(join(folder, path)) }
}

/** This version, as the other is loaded. */
export const presentCode: Pick<Code, 'load'> = { load: path => import(join(root, path)) }
