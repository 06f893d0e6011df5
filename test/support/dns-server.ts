import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import {
  AUTHORITATIVE_ANSWER, decode, encode, streamDecode, streamEncode, TRUNCATED_RESPONSE, type Answer, type Packet, type Question
} from 'dns-packet'
import { setTimeout as delay } from 'node:timers/promises'
import type { Test } from 'tap'
import { nodeAddress } from './lab.ts'

const rcodes = { NOERROR: 0, SERVFAIL: 2, NXDOMAIN: 3, REFUSED: 5 }

export interface DnsReply {
  rcode?: keyof typeof rcodes
  answers?: Answer[]
  /** UDP says that the reply does not fit. */
  truncated?: boolean
}
/** What the server says; null: nothing at all. */
export type AnswerDns = (question: Question, transport: 'udp' | 'tcp') => DnsReply | null

export interface DnsServerOptions {
  /** false: nobody listens on TCP. */
  tcp?: boolean
  /** How long each reply over UDP takes. */
  delayMs?: number
}

function toPacket ({ id, questions }: Packet, { rcode = 'NOERROR', answers = [], truncated = false }: DnsReply): Packet {
  const flags = AUTHORITATIVE_ANSWER | rcodes[rcode] | (truncated ? TRUNCATED_RESPONSE : 0)
  return { type: 'response', id: id ?? 0, flags, questions: questions ?? [], answers: truncated ? [] : answers }
}

/** A DNS server on an address of the node that pods reach; closed with the test. Keeps the names that were asked for. */
export async function startDnsServer (t: Test, answer: AnswerDns, { tcp = true, delayMs = 0 }: DnsServerOptions = {}) {
  const asked: string[] = []
  const replyTo = (packet: Packet, transport: 'udp' | 'tcp'): Packet | null => {
    const [question] = packet.questions ?? []
    if (!question) return null
    asked.push(`${transport} ${question.name} ${question.type}`)
    const reply = answer(question, transport)
    return reply && toPacket(packet, reply)
  }

  const listener = createServer(socket => {
    socket.on('error', () => socket.destroy())
    socket.on('data', chunk => {
      // dig sends a question in one piece.
      const packet = replyTo(streamDecode(chunk), 'tcp')
      if (packet) socket.write(streamEncode(packet))
    })
  })
  listener.listen(0, nodeAddress)
  await once(listener, 'listening')
  const { port } = listener.address() as { port: number }

  const datagrams = createSocket('udp4', async (message, { address, port }) => {
    const packet = replyTo(decode(message), 'udp')
    if (!packet) return
    if (delayMs > 0) await delay(delayMs)
    datagrams.send(encode(packet), port, address)
  })
  datagrams.bind(port, nodeAddress)
  await once(datagrams, 'listening')
  t.teardown(() => datagrams.close())
  // The port was taken on TCP too, so that no other server gets it meanwhile.
  if (tcp) t.teardown(() => listener.close())
  else listener.close()
  return { address: nodeAddress, port, asked }
}
