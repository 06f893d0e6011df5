import { Type, type Static, type TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { ProtocolViolation } from './frame-parser.ts'

const Count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
const OutputEvent = Type.Object({ output: Type.String(), stream: Type.Enum(['stdout', 'stderr']), bytes: Type.Integer({ minimum: 0, maximum: 65_536 }) })
const StreamStatement = Type.Object({ bytes: Count, sha256: Type.String({ pattern: '^[0-9a-f]{64}$' }), dropped: Count, whole: Type.Boolean() })
const HelloEvent = Type.Object({
  hello: Type.Object({
    version: Type.String({ maxLength: 100 }),
    protocol: Type.Integer(),
    uid: Count,
    capabilities: Type.Array(Type.String()),
    pingGroupRange: Type.String(),
    tools: Type.Array(Type.String()),
    landlock: Count
  })
})
const EndedEvent = Type.Object({
  ended: Type.String(),
  exitCode: Type.Union([Type.Integer(), Type.Null()]),
  signal: Type.Union([Type.String(), Type.Null()]),
  endCause: Type.Enum(['exited', 'finished', 'cancelled', 'shutdown', 'deadline', 'limit', 'oom']),
  killed: Type.Boolean(),
  stdout: StreamStatement,
  stderr: StreamStatement,
  strays: Count,
  millis: Type.Number({ minimum: 0 }),
  peakMemoryBytes: Count
})
const ErrorEvent = Type.Object({ error: Type.String(), request: Type.String(), code: Type.String(), message: Type.String() })
const StartedEvent = Type.Object({ started: Type.String(), pid: Count })
const PongEvent = Type.Object({ pong: Type.Unknown() })
const ClosedEvent = Type.Object({ closed: Type.Literal(true) })

export type EndedEvent = Static<typeof EndedEvent>
export type ErrorEvent = Static<typeof ErrorEvent>
export type OutputEvent = Static<typeof OutputEvent>

export interface RunnerEvents {
  hello: Static<typeof HelloEvent>
  started: Static<typeof StartedEvent>
  output: OutputEvent
  ended: EndedEvent
  pong: Static<typeof PongEvent>
  closed: Static<typeof ClosedEvent>
  error: ErrorEvent
}

/** An event with the name of the field that tells its kind. */
export type RunnerEvent = { [Kind in keyof RunnerEvents]: { kind: Kind, event: RunnerEvents[Kind] } }[keyof RunnerEvents]

const schemas: Record<keyof RunnerEvents, TSchema> = {
  output: OutputEvent, hello: HelloEvent, started: StartedEvent, ended: EndedEvent, pong: PongEvent, closed: ClosedEvent, error: ErrorEvent
}
const kinds = Object.entries(schemas).map(([kind, schema]) => ({ kind, validator: Compile(schema) }))

/** Reads a line of the runner. Throws a ProtocolViolation for anything that is no event; fields that are not known yet are let through. */
export function parseEvent (line: string): RunnerEvent {
  let event: unknown
  try {
    event = JSON.parse(line)
  } catch (error) {
    throw new ProtocolViolation(`a line is no JSON: ${excerpt(line)}`, { cause: error })
  }
  if (typeof event !== 'object' || event === null) throw new ProtocolViolation(`a line is no object: ${excerpt(line)}`)
  for (const { kind, validator } of kinds) {
    if (!(kind in event)) continue
    if (!validator.Check(event)) throw new ProtocolViolation(`an event of kind "${kind}" does not fit: ${excerpt(line)}`)
    // The validator of this kind has just admitted it.
    return { kind, event } as RunnerEvent
  }
  throw new ProtocolViolation(`an event is of no known kind: ${excerpt(line)}`)
}

const excerpt = (line: string) => JSON.stringify(line.slice(0, 120))
