import { execFileSync, spawn } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { channelTimes, openChannel, type RunnerChannel } from '../../src/kubernetes/channel.ts'
import type { ExecHandlers, ExecSocket } from '../../src/kubernetes/exec-socket.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const git = (...args: string[]) => execFileSync('git', ['-C', root, ...args], { maxBuffer: 64 << 20 })

async function folderOf (t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'ephemera-runner-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** A real runner, with the tools of the image for tests, built of its sources. */
function build (sources: string): string {
  execFileSync('go', ['build', '-tags', 'testtools', '-buildvcs=false', '-o', 'runner', '.'], { cwd: sources, env: { ...process.env, CGO_ENABLED: '0' }, stdio: 'inherit' })
  return join(sources, 'runner')
}

/** The runner as it was before the newest change of its sources; answers the program, and the commit. */
export async function olderRunner (t: Test): Promise<{ program: string, commit: string }> {
  const sources = ':(glob)toolbox/runner/*.go'
  const isChanged = git('status', '--porcelain', '--', sources).length > 0
  const changed = String(git('log', '-1', '--format=%H', '--', sources, ':(exclude)*_test.go')).trim()
  const [commit, parent] = String(git('rev-list', '--parents', '-1', changed)).trim().split(' ')
  const older = isChanged ? commit : parent
  if (older === undefined) throw new Error('Cannot get an older runner: this clone is shallow; run git fetch --unshallow')
  const folder = await folderOf(t)
  execFileSync('tar', ['-x', '-C', folder], { input: git('archive', older, 'toolbox/runner') })
  return { program: build(join(folder, 'toolbox/runner')), commit: older }
}

/** This runner, but for the number of its protocol. */
export async function runnerOfProtocol (t: Test, protocol: number): Promise<string> {
  const folder = await folderOf(t)
  await cp(join(root, 'toolbox/runner'), folder, { recursive: true })
  const main = join(folder, 'main.go')
  const text = await readFile(main, 'utf8')
  const other = text.replace(/(\tprotocol\s+= )\d+/, (_, begin: string) => `${begin}${protocol}`)
  if (other === text) throw new Error('Cannot change the protocol of the runner: its number was not found')
  await writeFile(main, other)
  return build(folder)
}

/** A channel to a runner that runs here, as one to a pod. */
export async function openLocal (t: Test, program: string): Promise<RunnerChannel> {
  async function connect (handlers: ExecHandlers): Promise<ExecSocket> {
    const child = spawn(program, ['serve'], { stdio: ['pipe', 'pipe', 'ignore'] })
    t.teardown(() => child.kill('SIGKILL'))
    child.stdin.on('error', () => {}) // its end is told below
    child.stdout.on('data', data => { handlers.stdout(data) })
    child.on('exit', code => { handlers.end(`the runner ended with ${code}`) })
    const close = () => { child.stdin.end() }
    return { send: data => { child.stdin.write(data) }, close, terminate: () => { child.kill('SIGKILL') } }
  }
  return await openChannel(connect, () => {}, channelTimes, AbortSignal.timeout(10_000))
}
