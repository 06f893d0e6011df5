import { Problem } from '#core/errors.ts'

/** What was said instead of a reply. `ip`: who said it; null for the kernel here. */
export interface PingNotice { ip: string | null, reason: string, count: number }

export interface PingOutput {
  /** false: neither a datagram nor a raw socket of ICMP may be opened here; then nothing was sent. */
  permitted: boolean
  sent: number
  received: number
  /** Times of the replies in milliseconds, in the order they came. */
  times: number[]
  /** TTL that the last reply came with. */
  ttl: number | null
  notices: PingNotice[]
  /** Line of the statistics, from 1; null where nothing was sent. */
  line: number | null
}

export interface PingOptions { count: number, intervalMs: number, payloadBytes: number, waitSeconds: number }

/**
 * `ip` is an address, so that no name can be an option. The wait is for silence only: where somebody answers, ping itself waits twice the
 * longest time it saw, and counts as lost what comes later.
 */
export const pingArgv = (ip: string, { count, intervalMs, payloadBytes, waitSeconds }: PingOptions): string[] =>
  ['ping', '-n', '-c', `${count}`, '-i', `${intervalMs / 1000}`, '-s', `${payloadBytes}`, '-W', `${waitSeconds}`, ip]

const reply = /^\d+ bytes from \S+ (?:icmp_)?seq=\d+ ttl=(\d+) time=([\d.]+) ms( \(DUP!\))?$/
const notice = /^From (\S+?):? icmp_seq=\d+ (.+)$/
const statistics = /^(\d+) packets transmitted, (\d+) (?:packets )?received, /
const ownWords = /^ping: (connect|sendmsg|sendto): (.+)$/
const ofMany = /^ping: (?:Do you want to ping broadcast|minimal interval for (?:broad|multi)cast ping)/
const notPermitted = /socket: (?:Operation not permitted|Permission denied)|permission denied \(are you root\?\)/

/**
 * Reads what `pingArgv` of iputils (and of busybox) wrote. No reply is a result; what does not add up is an error: throws
 * EPH_OUTPUT_UNREADABLE.
 */
export function parsePing (stdout: string, stderr: string): PingOutput {
  const output: PingOutput = { permitted: true, sent: 0, received: 0, times: [], ttl: null, notices: [], line: null }
  const note = (ip: string | null, reason: string) => {
    const same = output.notices.find(known => known.ip === ip && known.reason === reason)
    if (same) same.count++
    else output.notices.push({ ip, reason, count: 1 })
  }
  for (const [index, text] of stdout.split('\n').entries()) {
    const replied = reply.exec(text)
    const noted = notice.exec(text)
    const counted = statistics.exec(text)
    if (replied && !replied[3]) {
      output.ttl = Number(replied[1])
      output.times.push(Number(replied[2]))
    } else if (noted && !noted[2]!.startsWith('Redirect')) note(noted[1]!, noted[2]!)
    else if (counted) Object.assign(output, { sent: Number(counted[1]), received: Number(counted[2]), line: index + 1 })
  }
  const own = stderr.split('\n').flatMap(text => ofMany.test(text) ? ['Address of many hosts'] : ownWords.exec(text)?.[2] ?? [])
  // A packet that the kernel refuses to send is noted by both streams.
  if (output.notices.length === 0) own.forEach(reason => note(null, reason))
  if (output.line === null && notPermitted.test(stderr)) return { ...output, permitted: false }
  if (output.line === null ? own.length === 0 : output.received !== output.times.length) {
    const said = output.line === null ? `it says "${(stderr || stdout).trim().slice(0, 200)}"` : `${output.received} replies are counted but ${output.times.length} are there`
    throw new Problem('EPH_OUTPUT_UNREADABLE', `Cannot read the output of ping: ${said}`)
  }
  return output
}
