import { Problem } from '#core/errors.ts'

export const connectOutcomes = ['open', 'refused', 'timeout', 'unreachable', 'reset', 'failed'] as const
export type ConnectOutcome = typeof connectOutcomes[number]

interface ConnectOptions { ip: string, port: number, waitSeconds: number }

/** Connects once, sends nothing and says on standard error what came of it; `ip` is an address, so that no name can be an option. */
export const connectArgv = ({ ip, port, waitSeconds }: ConnectOptions): string[] => ['nc', '-n', '-v', '-z', '-w', `${waitSeconds}`, ip, `${port}`]

const succeeded = /^Connection to \S+ \d+ port \[tcp\/[^\]]*\] succeeded!$/
const failed = /^nc: connect to \S+ port \d+ \(tcp\) (timed out|failed): (.+)$/

/** How the C library words what the kernel said; what is not here is `failed`, as "Operation not permitted" of a local firewall. */
const outcomes: Record<string, ConnectOutcome> = {
  'Connection refused': 'refused',
  'Connection timed out': 'timeout',
  'Connection reset by peer': 'reset',
  'No route to host': 'unreachable',
  'Network is unreachable': 'unreachable',
  'Host is unreachable': 'unreachable'
}

/** Reads what `connectArgv` (OpenBSD's nc) says on standard error; `reason`: the kernel's words, null where it is open. */
export function parseNetcat (stderr: string): { outcome: ConnectOutcome, reason: string | null } {
  const lines = stderr.trim().split('\n')
  if (lines.some(line => succeeded.test(line))) return { outcome: 'open', reason: null }
  const [, how, reason] = failed.exec(lines.findLast(line => failed.test(line)) ?? '') ?? []
  if (reason === undefined) throw new Problem('EPH_OUTPUT_UNREADABLE', `Cannot read the output of nc: it says "${stderr.trim().slice(0, 200)}"`)
  // Its own limit; the words behind it are those of the attempt that was still under way.
  if (how === 'timed out') return { outcome: 'timeout', reason: 'timed out' }
  return { outcome: outcomes[reason] ?? 'failed', reason }
}
