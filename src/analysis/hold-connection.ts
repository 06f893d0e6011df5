import { isIP } from 'node:net'
import { Problem } from '#core/errors.ts'
import type { ToolOutput } from '#core/probe.ts'

interface HoldOptions { ip: string, port: number, connectMs: number, holdMs: number }

const seconds = (milliseconds: number) => (milliseconds / 1000).toFixed(3)

/**
 * Connects and keeps the connection for a moment, sends nothing, and keeps nothing of what the other side says: nc tells only that a
 * connection was accepted. As a client of telnet curl says nothing unless it is asked.
 */
export function holdArgv ({ ip, port, connectMs, holdMs }: HoldOptions): string[] {
  const host = isIP(ip) === 6 ? `[${ip}]` : ip
  return ['curl', '-q', '-g', '-s', '-S', '-o', '/dev/null', '-m', seconds(connectMs + holdMs), `telnet://${host}:${port}`]
}

/** curl's exit codes: its time was over; it could not connect; the connection failed. */
const [timeOver, notConnected, cut] = [28, 7, 56]

/** What `holdArgv` found: null where the connection was held, or closed in good order; else the kernel's words. */
export function parseHold ({ exitCode, stderr }: Pick<ToolOutput, 'exitCode' | 'stderr'>): { outcome: 'reset' | 'failed', reason: string } | null {
  if (exitCode === 0 || exitCode === timeOver) return null
  const said = stderr.trim()
  const [, reason] = /^curl: \(\d+\) (?:Recv failure: )?(.+)$/.exec(said) ?? []
  if (reason !== undefined && exitCode === cut) return { outcome: 'reset', reason }
  if (reason !== undefined && exitCode === notConnected) return { outcome: 'failed', reason: `open once, and then: ${reason}` }
  throw new Problem('EPH_OUTPUT_UNREADABLE', `Cannot read the output of curl: it ended with ${exitCode} and says "${said.slice(0, 200)}"`)
}
