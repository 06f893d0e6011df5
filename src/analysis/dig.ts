import { Problem } from '#core/errors.ts'

export interface DnsRecord { name: string, type: string, ttlSeconds: number, data: string }

/** One reply of a server. */
export interface DigReply {
  /** The name that was asked, absolute. */
  question: string
  /** NOERROR, NXDOMAIN, …, as dig names them. */
  status: string
  answers: DnsRecord[]
  /** dig does not say who sent SERVFAIL, nor how long it took. */
  server: { ip: string, port: number } | null
  transport: 'udp' | 'tcp' | null
  queryMs: number | null
  /** Where its status stands, from 1. */
  line: number
}

/** An attempt that no reply came to, or one that made dig ask the next server. */
export interface LostAttempt { ip: string, port: number, reason: string, line: number }

export interface DigOutput {
  /** In the order of asking: with +showsearch one for each name of the search list that was tried. */
  replies: DigReply[]
  lost: LostAttempt[]
  /** Whether a reply did not fit into UDP, and was asked for again over TCP. */
  truncated: boolean
  /** The line that says that no server answered, from 1; null where the last question was answered. */
  unreachedLine: number | null
}

const header = /^;; ->>HEADER<<- opcode: QUERY, status: (\w+), id: \d+$/
const flags = /^;; flags:[ a-z]*; QUERY: \d+, ANSWER: (\d+), /
const question = /^;(\S+)\s+IN\s+\S+$/
const record = /^(\S+)\s+(\d+)\s+IN\s+(\S+)\s+(.+)$/
const queryTime = /^;; Query time: (\d+) usec$/
const server = /^;; SERVER: ([^#\s]+)#(\d+)\(.*\) \((UDP|TCP)\)$/
const lostInPlace = /^;; communications error to ([^#\s]+)#(\d+): (.+)$/
const lostBefore = /^;; (?:UDP setup with|TCP setup with|Connection to) ([^#\s]+)#(\d+)\(.*\) for \S+ failed: (.+?)\.?$/
/** Only the pod's own nameservers have a next one, and they are asked on port 53. */
const passedOver = /^;; Got (\w+) reply from (\S+), trying next server$/

const unreadable = (what: string, line: number) =>
  new Problem('EPH_OUTPUT_UNREADABLE', `Cannot read the output of dig: ${what} in line ${line}`)

interface Draft extends Omit<DigReply, 'question'> { question: string | null, announced: number | null }

function finishReply ({ question, announced, ...reply }: Draft): DigReply {
  if (question === null) throw unreadable('no question follows the status', reply.line)
  if (announced !== reply.answers.length) throw unreadable(`${announced ?? 'no number of'} answers are announced but ${reply.answers.length} follow the status`, reply.line)
  return { question, ...reply }
}

function readRecord (text: string, line: number): DnsRecord {
  const [, name, ttl, type, data] = record.exec(text) ?? []
  if (name === undefined || type === undefined || data === undefined) throw unreadable('there is no record', line)
  return { name, type, ttlSeconds: Number(ttl), data }
}

/**
 * Reads what `dig -u +search +showsearch` (9.18 to 9.20) wrote. That nobody answered is a result; what cannot be told from the output is
 * an error: throws EPH_OUTPUT_UNREADABLE rather than to take silence for an empty answer.
 */
export function parseDig (stdout: string): DigOutput {
  const output: DigOutput = { replies: [], lost: [], truncated: false, unreachedLine: null }
  if (!stdout.endsWith('\n')) throw unreadable('the end is missing', stdout.split('\n').length)
  const drafts: Draft[] = []
  let section = ''
  for (const [index, text] of stdout.split('\n').entries()) {
    const line = index + 1
    const draft = drafts.at(-1)
    if (text === '') { section = ''; continue }
    if (section === 'ANSWER' && draft) { draft.answers.push(readRecord(text, line)); continue }
    if (section === 'QUESTION' && draft) { draft.question = question.exec(text)?.[1] ?? null; continue }
    section = /^;; (\w+) SECTION:$/.exec(text)?.[1] ?? section

    const lost = lostInPlace.exec(text) ?? lostBefore.exec(text)
    const passed = passedOver.exec(text)
    const status = header.exec(text)?.[1]
    if (passed) output.lost.push({ ip: passed[2]!, port: 53, reason: passed[1]!, line })
    else if (lost) output.lost.push({ ip: lost[1]!, port: Number(lost[2]), reason: lost[3]!, line })
    else if (text === ';; no servers could be reached') output.unreachedLine = line
    else if (text.startsWith(';; Truncated')) output.truncated = true
    else if (status !== undefined) {
      output.unreachedLine = null
      drafts.push({ question: null, announced: null, status, answers: [], server: null, transport: null, queryMs: null, line })
    } else if (draft) describe(draft, text)
  }
  output.replies = drafts.map(finishReply)
  if (drafts.length === 0 && output.unreachedLine === null) throw unreadable('there is neither a reply nor that there was none', 1)
  return output
}

function describe (draft: Draft, text: string): void {
  const announced = flags.exec(text)?.[1]
  const usec = queryTime.exec(text)?.[1]
  const from = server.exec(text)
  if (announced !== undefined) draft.announced = Number(announced)
  if (usec !== undefined) draft.queryMs = Number(usec) / 1000
  if (from) {
    draft.server = { ip: from[1]!, port: Number(from[2]) }
    draft.transport = from[3] === 'TCP' ? 'tcp' : 'udp'
  }
}
