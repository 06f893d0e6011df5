import { Problem } from '#core/errors.ts'
import type { TraceAnswer, TraceHop } from './traceroute.ts'

interface MtrOptions { samples: number, maxHops: number, waitSeconds: number }

/** All hops are asked once a second, by pings. `ip` is an address, so that no name can be an option. */
export const mtrArgv = (ip: string, { samples, maxHops, waitSeconds }: MtrOptions): string[] =>
  ['mtr', '-n', '--raw', '-c', `${samples}`, '-i', '1', '-G', `${waitSeconds}`, '-m', `${maxHops}`, ip]

export interface MtrOutput {
  permitted: boolean
  /** Why the kernel here sent nothing; null where it did. */
  failure: string | null
  /** What was sent to each hop in one second, and became of it. */
  samples: TraceHop[][]
}

const notPermitted = /^mtr(?:-packet)?: .*(?:Permission denied|Operation not permitted)$/m
const failed = /^mtr: udp socket connect failed: (.+)$/m

const unreadable = (what: string) => new Problem('EPH_OUTPUT_UNREADABLE', `Cannot read the output of mtr: ${what}`)

/** mtr does not say what a router answers: one that answers for the hops behind it, too, says that there is no way. */
function markRefusals (sample: TraceHop[]): void {
  let last: string | null = null
  for (const answer of sample.flatMap(({ answers }) => answers)) {
    if (answer.ip !== null && answer.ip === last) answer.mark = 'it answers for hops behind it'
    last = answer.ip ?? last
  }
}

/**
 * Reads what `mtrArgv` (0.95) wrote: packets as they are sent ("x"), hosts where they are new ("h"), answers ("p"); hops count from 0.
 * Throws EPH_OUTPUT_UNREADABLE where that does not add up.
 */
export function parseMtr (stdout: string, stderr: string): MtrOutput {
  const failure = failed.exec(stderr)?.[1] ?? null
  if (failure !== null) return { permitted: true, failure, samples: [] }
  if (notPermitted.test(stderr)) return { permitted: false, failure: null, samples: [] }
  const samples: TraceHop[][] = []
  const hosts = new Map<number, string>()
  const sent = new Map<string, TraceAnswer>()
  for (const [index, text] of stdout.trimEnd().split('\n').entries()) {
    const [kind = '', number = '', ...rest] = text.split(' ')
    const hop = Number(number) + 1
    if (kind === 'x') {
      const answer: TraceAnswer = { ip: null, ms: null, mark: null }
      if (hop <= (samples.at(-1)?.at(-1)?.hop ?? Infinity)) samples.push([])
      samples.at(-1)!.push({ hop, answers: [answer], line: index + 1 })
      sent.set(rest[0] ?? '', answer)
    } else if (kind === 'h') hosts.set(hop, rest[0] ?? '')
    else {
      const answer = sent.get(rest[1] ?? '')
      const ip = hosts.get(hop)
      if (kind !== 'p' || !answer || ip === undefined) throw unreadable(`"${text.slice(0, 100)}" in line ${index + 1}`)
      Object.assign(answer, { ip, ms: Number(rest[0]) / 1000 })
    }
  }
  samples.forEach(markRefusals)
  if (samples.length === 0) throw unreadable(`it says "${stderr.trim().slice(0, 200)}"`)
  return { permitted: true, failure: null, samples }
}
