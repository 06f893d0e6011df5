import { Problem } from '#core/errors.ts'

export const connectOutcomes = ['open', 'refused', 'timeout', 'unreachable', 'reset', 'failed'] as const
export type ConnectOutcome = typeof connectOutcomes[number]

interface Outcome { outcome: ConnectOutcome, reason: string | null }
interface ConnectOptions { ip: string, port: number, waitSeconds: number }
interface UdpOutput { stdout: string, stderr: string, durationMs: number }

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
export function parseNetcat (stderr: string): Outcome {
  const lines = stderr.trim().split('\n')
  if (lines.some(line => succeeded.test(line))) return { outcome: 'open', reason: null }
  const [, how, reason] = failed.exec(lines.findLast(line => failed.test(line)) ?? '') ?? []
  if (reason === undefined) throw new Problem('EPH_OUTPUT_UNREADABLE', `Cannot read the output of nc: it says "${stderr.trim().slice(0, 200)}"`)
  // Its own limit; the words behind it are those of the attempt that was still under way.
  if (how === 'timed out') return { outcome: 'timeout', reason: 'timed out' }
  return { outcome: outcomes[reason] ?? 'failed', reason }
}

/** What is sent over UDP: harmless, and answered by whoever speaks the protocol. */
export const udpQuestions = {
  line: '\n',
  // The name servers of the root.
  dns: '\x12\x34\x01\0\0\x01\0\0\0\0\0\0\0\0\x02\0\x01',
  // Version 4, mode client, and all else left open.
  ntp: '\x23' + '\0'.repeat(47)
} as const
export type UdpQuestion = keyof typeof udpQuestions

/** Sends standard input as one datagram, and waits for one. */
export const askUdpArgv = ({ ip, port, waitSeconds }: ConnectOptions): string[] =>
  ['nc', '-n', '-u', '-v', '-w', `${waitSeconds}`, '-W', '1', ip, `${port}`]

const udpFailed = /^nc: connect to \S+ port \d+ \(udp\) failed: (.+)$/

/**
 * Reads what `askUdpArgv` (OpenBSD's nc) leaves of one datagram. Of a port that is closed, as ICMP says, it tells by ending before its time
 * and nothing else; other things that ICMP says it does not take for an end.
 */
export function parseUdp ({ stdout, stderr, durationMs }: UdpOutput, waitSeconds: number): Outcome {
  if (stdout !== '') return { outcome: 'open', reason: null }
  const said = stderr.trim()
  const [, reason] = udpFailed.exec(said) ?? []
  if (reason !== undefined) return { outcome: outcomes[reason] ?? 'failed', reason }
  if (said !== '') throw new Problem('EPH_OUTPUT_UNREADABLE', `Cannot read the output of nc: it says "${said.slice(0, 200)}"`)
  return durationMs < waitSeconds * 1000 ? { outcome: 'refused', reason: 'port unreachable' } : { outcome: 'timeout', reason: 'no answer' }
}
