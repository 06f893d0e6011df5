import type { JobRequest } from '#core/job.ts'

/** What a job of this suite does in its pod; `once` and `capture` must not run twice. */
export const kinds = ['quick', 'slow', 'once', 'big', 'overdue', 'capture', 'lookup'] as const
export type Kind = typeof kinds[number]

export interface Command {
  kind: Kind
  /** Travels in the arguments: processes, executions and outputs are told apart by it. */
  word: string
  seconds: number
  lines: number
}

/** Tools tell this address that they run, before they do anything else: so their pods' word counts, not ours. */
export interface TallyAddress { host: string, port: number }

export const onceKinds = new Set<Kind>(['once', 'capture'])
/** Twice the limit of an output. */
const bigLines = 320_000
const record = (word: string, nth: number) => `${word} ${`${nth}`.padStart(8, '0')} ${'0'.repeat(400)}\n`

function scriptOf ({ kind, word, seconds, lines }: Command, { host, port }: TallyAddress): string {
  const announce = `curl -sf -m 10 -o /dev/null http://${host}:${port}/${word}/$HOSTNAME || exit 97`
  const work: Record<Kind, string> = {
    quick: `echo ${word}; seq 1 ${lines}`,
    slow: `echo ${word}; sleep ${seconds}; seq 1 ${lines}`,
    once: `echo ${word}; sleep ${seconds}; seq 1 ${lines}`,
    big: `seq 1 ${bigLines}`,
    overdue: `trap : TERM; echo ${word}; while :; do sleep 1; done`,
    capture: `echo listening >&2; i=0; while :; do i=$((i+1)); printf '%s %08d %0400d\\n' ${word} $i 0; sleep 0.1; done`,
    lookup: ''
  }
  return `${announce}; ${work[kind]}`
}

/** The launch of a command, without its target. */
export function requestOf (command: Command, tally: TallyAddress): Omit<JobRequest, 'target'> {
  const { kind, word, seconds } = command
  const labels = { word }
  if (kind === 'lookup') return { diagnostic: 'dns-lookup', params: { names: ['kubernetes.default'] }, labels }
  const argv = ['bash', '-c', scriptOf(command, tally)]
  const common = { image: 'toolbox-test', labels }
  if (kind === 'capture') return { ...common, diagnostic: 'test-capture', params: { argv, durationSeconds: seconds } }
  return { ...common, diagnostic: kind === 'once' ? 'test-once' : 'test-run', params: { argv }, ...kind === 'overdue' ? { timeoutSeconds: seconds } : {} }
}

const numbers = (count: number) => Array.from({ length: count }, (_, nth) => `${nth + 1}\n`).join('')

/** The first bytes that a command must have written to stdout, as many as asked for or as there are; null where nobody knows. */
export function expectedOutput ({ kind, word, lines }: Command, length: number): Buffer | null {
  if (kind === 'lookup') return null
  if (kind === 'big') return Buffer.from(numbers(bigLines)).subarray(0, length)
  if (kind === 'overdue') return Buffer.from(`${word}\n`).subarray(0, length)
  if (kind !== 'capture') return Buffer.from(`${word}\n${numbers(lines)}`).subarray(0, length)
  const count = Math.ceil(length / record(word, 1).length)
  return Buffer.from(Array.from({ length: count }, (_, nth) => record(word, nth + 1)).join('')).subarray(0, length)
}

/** Length of all that it writes before it ends by itself; null where it is ended by others. */
export const wholeLength = (command: Command): number | null =>
  ['quick', 'slow', 'once'].includes(command.kind) ? expectedOutput(command, Infinity)!.length : null
