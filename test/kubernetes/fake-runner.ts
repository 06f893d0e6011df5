import { createHash } from 'node:crypto'
import type { ExecHandlers, ExecSocket } from '../../src/kubernetes/exec-socket.ts'

export type Request = { do: string, id?: string, argv?: string[], bytes?: number, cause?: string } & Record<string, unknown>

export const hello = {
  version: '0.1.0', protocol: 1, uid: 64646, capabilities: [], pingGroupRange: '0 2147483647', tools: ['dig', 'tcpdump'], landlock: 6
}

export const frame = (event: object, payload: Uint8Array = Buffer.alloc(0)): Buffer => Buffer.concat([Buffer.from(`${JSON.stringify(event)}\n`), payload])

export const output = (id: string, text: string | Buffer, stream = 'stdout'): Buffer => {
  const payload = Buffer.from(text)
  return frame({ output: id, stream, bytes: payload.length }, payload)
}

const statement = (data: string | Buffer) =>
  ({ bytes: Buffer.byteLength(data), sha256: createHash('sha256').update(data).digest('hex'), dropped: 0, whole: true })

/** An `ended` that fits what was sent; `over` makes it lie. */
export const ended = (id: string, stdout: string | Buffer = '', stderr = '', over: object = {}): Buffer => frame({
  ended: id,
  exitCode: 0,
  signal: null,
  endCause: 'exited',
  killed: false,
  stdout: statement(stdout),
  stderr: statement(stderr),
  strays: 0,
  millis: 12.4,
  peakMemoryBytes: 5_000_000,
  ...over
})

/** Cuts what a channel sends into its requests. */
export function requestReader (seen: (request: Request, payload: Buffer) => void): (data: Buffer) => void {
  let rest = Buffer.alloc(0)
  return data => {
    rest = Buffer.concat([rest, data])
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      const request = JSON.parse(rest.subarray(0, end).toString()) as Request
      const payloadBytes = request.do === 'run' ? request.bytes ?? 0 : 0
      if (rest.length < end + 1 + payloadBytes) return
      const payload = rest.subarray(end + 1, end + 1 + payloadBytes)
      rest = rest.subarray(end + 1 + payloadBytes)
      seen(request, payload)
    }
  }
}

/** The other end of a channel, in memory: a test says what the runner says. `answer` reacts to requests. */
export function createFakeRunner (answer: (request: Request, say: (data: Buffer) => void) => void = () => {}, greeting: object = hello) {
  const requests: Request[] = []
  const payloads: Buffer[] = []
  let handlers: ExecHandlers | null = null
  let isCut = false
  const say = (data: Buffer) => handlers!.stdout(data)
  const read = requestReader((request, payload) => {
    requests.push(request)
    payloads.push(payload)
    answer(request, say)
  })
  return {
    requests,
    payloads,
    say,
    get isCut () { return isCut },
    of: (what: string) => requests.filter(request => request.do === what),
    end: (reason: string) => handlers!.end(reason),
    async connect (given: ExecHandlers): Promise<ExecSocket> {
      handlers = given
      queueMicrotask(() => given.stdout(frame({ hello: greeting })))
      const cut = () => { isCut = true }
      return { send: read, close: cut, terminate: cut }
    }
  }
}
