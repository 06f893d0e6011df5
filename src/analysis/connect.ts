import { Type, type Static } from 'typebox'
import { Address, type AddressNames } from '#core/address.ts'
import type { Probe } from '#core/probe.ts'
import { OrNull } from '#core/schema.ts'
import { holdArgv, parseHold } from './hold-connection.ts'
import { askUdpArgv, connectArgv, connectOutcomes, parseNetcat, parseUdp, udpQuestions, type UdpQuestion } from './netcat.ts'

export const Attempt = Type.Object({
  ...Address.properties,
  outcome: Type.Enum(connectOutcomes, {
    description: 'open; refused: answered with a reset; timeout: not answered at all; unreachable: the network says that there is no way; ' +
      'reset: accepted, and cut at once; failed: see reason. Over UDP open: answered; refused: said to be closed'
  }),
  reason: OrNull(Type.String({ description: 'What the kernel said; null where it is open' })),
  elapsedMs: Type.Integer({ description: 'Milliseconds of the attempt, about 5 for starting the tool included' }),
  run: Type.Integer({ minimum: 0, description: 'Which of the pod\'s runs it was, from 0' })
}, { description: 'One connection that was tried' })
export type Attempt = Static<typeof Attempt>

interface Aim { ip: string, port: number, waitSeconds: number, names: AddressNames }
interface ConnectAim extends Aim {
  /** How long an open connection is held, once more, to see whether it is cut; 0: not at all. */
  holdMs: number
}

/** Connects from inside the pod, sends nothing, and closes. `ip` must be one that diagnostics may talk to. */
export async function connect ({ run: execute }: Pick<Probe, 'run'>, { ip, port, waitSeconds, names, holdMs }: ConnectAim): Promise<Attempt> {
  const { stderr, durationMs, run } = await execute(connectArgv({ ip, port, waitSeconds }))
  const attempt = { ip, port, ...names, ...parseNetcat(stderr), elapsedMs: durationMs, run }
  if (!isOpen(attempt) || holdMs === 0) return attempt
  const held = await execute(holdArgv({ ip, port, connectMs: durationMs, holdMs }))
  const wrong = parseHold(held)
  return wrong ? { ...attempt, ...wrong, run: held.run } : attempt
}

/** Sends one datagram and waits for an answer; `open` is one that came. `ip` as of `connect`. */
export async function askUdp ({ run: execute }: Pick<Probe, 'run'>, question: UdpQuestion, { ip, port, waitSeconds, names }: Aim): Promise<Attempt> {
  const output = await execute(askUdpArgv({ ip, port, waitSeconds }), { stdin: udpQuestions[question] })
  return { ip, port, ...names, ...parseUdp(output, waitSeconds), elapsedMs: output.durationMs, run: output.run }
}

export const isOpen = ({ outcome }: Attempt): boolean => outcome === 'open'
export const evidenceOf = (attempts: Attempt[]): { run: number }[] => attempts.map(({ run }) => ({ run }))
/** "10.0.0.1 (Connection refused), 10.0.0.2 (timed out)" */
export const sayAttempts = (attempts: Attempt[]): string => attempts.map(({ ip, outcome, reason }) => `${ip} (${reason ?? outcome})`).join(', ')
