import { Problem } from '#core/errors.ts'

/** What became of one packet. Neither address nor mark: nobody answered. */
export interface TraceAnswer {
  /** Who answered; null with a mark: the kernel here. */
  ip: string | null
  ms: number | null
  /** As traceroute writes it, without its "!": H, N, X, F-1400. null: the packet ran out of hops there, or has arrived. */
  mark: string | null
}

export interface TraceHop {
  hop: number
  answers: TraceAnswer[]
  /** From 1. */
  line: number
}

export interface TraceOutput {
  /** false: this kind of packet takes rights that the tool has not. */
  permitted: boolean
  /** Why the kernel here sent nothing; null where it did. */
  failure: string | null
  hops: TraceHop[]
}

export const traceMethods = ['udp', 'icmp', 'tcp'] as const
export type TraceMethod = typeof traceMethods[number]

export interface TraceOptions {
  method: TraceMethod
  /** Of TCP; null otherwise. */
  port: number | null
  firstHop?: number
  lastHop: number
  /** Packets for each hop; one otherwise. */
  perHop?: number
  /** Between two packets. */
  pauseMs: number
  waitSeconds: number
  /** Of the whole packet, which then must not be broken up. */
  bytes?: number
}

/** So that a trace to this hop takes a second: hosts and routers answer hardly more often, and what they do not answer seems lost. */
export const slowPauseMs = (lastHop: number): number => 1000 / Math.max(1, lastHop - 1)

const methodOptions = (method: TraceMethod, port: number | null) => method === 'tcp' ? ['-T', ...port === null ? [] : ['-p', `${port}`]] : method === 'icmp' ? ['-I'] : []

/**
 * `ip` is an address, so that no name can be an option. Without pauses unprivileged ICMP loses every other packet on this side, and
 * kernels, which answer at most six packets at once and then one a second, seem to lose them. traceroute takes 10 and less for seconds.
 * Silence is given up after a hundred times what others took, and not the usual three or ten: routers answer when they have time.
 */
export function traceArgv (ip: string, options: TraceOptions): string[] {
  const { method, port, firstHop = 1, lastHop, perHop = 1, pauseMs, waitSeconds, bytes } = options
  const whole = bytes === undefined ? [] : ['-F']
  return [
    'traceroute', '-n', ...methodOptions(method, port), ...whole, '-q', `${perHop}`, '-f', `${firstHop}`, '-m', `${lastHop}`,
    '-w', `${waitSeconds},100,100`, '-z', `${Math.max(11, Math.ceil(pauseMs))}`, ip, ...bytes === undefined ? [] : [`${bytes}`]
  ]
}

type Timing = Omit<TraceOptions, 'method' | 'port'>

/** The most that such a trace takes: sixteen packets may wait at a time. */
export function traceSeconds ({ firstHop = 1, lastHop, perHop = 1, pauseMs, waitSeconds }: Timing): number {
  const packets = (lastHop - firstHop + 1) * perHop
  return packets * pauseMs / 1000 + Math.ceil(packets / 16) * waitSeconds
}

const marks: Record<string, string> = {
  H: 'host unreachable', N: 'network unreachable', P: 'protocol unreachable', S: 'source route failed', X: 'forbidden', V: 'forbidden', C: 'forbidden'
}

/** What a mark stands for, in words. */
export function sayMark (mark: string): string {
  const bytes = /^F-(\d+)$/.exec(mark)?.[1]
  return bytes === undefined ? marks[mark] ?? `unreachable (${mark})` : `packets larger than ${bytes} bytes do not fit`
}

const hopLine = /^ ?(\d+) +(\S.*)$/
const failed = /^(?:connect|send|sendto|bind): (.+)$/m

const unreadable = (what: string) => new Problem('EPH_OUTPUT_UNREADABLE', `Cannot read the output of traceroute: ${what}`)

/** An address is written once for answers that follow each other; what the kernel here says has time and a mark, but "*" for an address. */
function readAnswers (text: string, line: number): TraceAnswer[] {
  const answers: TraceAnswer[] = []
  let address: string | null = null
  for (const [token] of text.matchAll(/\*|[\d.]+ ms|!\S+|\S+/g)) {
    const last = answers.at(-1)
    if (token === '*') answers.push({ ip: null, ms: null, mark: null })
    else if (token.endsWith(' ms')) {
      if (last && last.ms === null && (last.ip !== null || address === null)) last.ms = Number.parseFloat(token)
      else answers.push({ ip: address, ms: Number.parseFloat(token), mark: null })
    } else if (token.startsWith('!') && last && last.ms !== null) last.mark = token.slice(1)
    else if (/^[0-9A-Fa-f.:]+$/.test(token)) answers.push({ ip: address = token, ms: null, mark: null })
    else throw unreadable(`"${token}" in line ${line}`)
  }
  return answers
}

/**
 * Reads what `traceArgv` (of traceroute 2.1, and of busybox) wrote. Silence is a result; throws EPH_OUTPUT_UNREADABLE where the output
 * has no hop and no reason for that.
 */
export function parseTraceroute (stdout: string, stderr: string): TraceOutput {
  if (/^You do not have enough privileges/m.test(stderr)) return { permitted: false, failure: null, hops: [] }
  const failure = failed.exec(stderr)?.[1] ?? null
  const hops = stdout.split('\n').flatMap((text, index): TraceHop[] => {
    const [, hop, rest] = hopLine.exec(text) ?? []
    return hop === undefined || rest === undefined ? [] : [{ hop: Number(hop), answers: readAnswers(rest, index + 1), line: index + 1 }]
  })
  if (failure !== null) return { permitted: true, failure, hops: [] }
  if (hops.length === 0 || !stdout.endsWith('\n')) throw unreadable(`it says "${(stderr || stdout).trim().slice(0, 200)}"`)
  return { permitted: true, failure: null, hops }
}
