import { Type, type Static } from 'typebox'
import type { Probe } from '#core/probe.ts'
import { parsePing, pingArgv } from './ping.ts'

const options = { count: 10, intervalMs: 200, payloadBytes: 56 }

export const PingCheck = Type.Object({
  sent: Type.Integer({ minimum: 0, description: 'Pings that were sent' }),
  received: Type.Integer({ minimum: 0, description: 'Pings that were answered' }),
  run: Type.Integer({ minimum: 0, description: 'Which of the pod\'s runs it was, from 0' })
}, { description: 'Pings to a destination that did not answer every packet of UDP; null: not needed, or not permitted' })

export const secondsToCheck = (waitSeconds: number): number => options.count * options.intervalMs / 1000 + waitSeconds

/** UDP without an answer says little of the path: a firewall of the destination drops it, or its kernel answers hardly once a second. */
export async function checkByPing (ip: string, start: Probe['run'], waitSeconds: number): Promise<Static<typeof PingCheck> | null> {
  const { stdout, stderr, run } = await start(pingArgv(ip, { ...options, waitSeconds }))
  const { permitted, sent, received } = parsePing(stdout, stderr)
  return permitted ? { sent, received, run } : null
}
