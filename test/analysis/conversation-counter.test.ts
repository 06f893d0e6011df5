import t from 'tap'
import { createConversationCounter, maxConversations } from '#analysis/conversation-counter.ts'

/** Addresses, then ports, as they follow each other in a packet without options. */
function endpoints (source: number, sourcePort: number, destination: number, destinationPort: number): Buffer {
  const bytes = Buffer.alloc(12)
  bytes.writeUInt32BE(source, 0)
  bytes.writeUInt32BE(destination, 4)
  bytes.writeUInt16BE(sourcePort, 8)
  bytes.writeUInt16BE(destinationPort, 10)
  return bytes
}

t.test('both directions are one conversation; another port, address or protocol is another one', t => {
  const counter = createConversationCounter()
  const see = (bytes: Buffer, protocol = 6) => { counter.see(bytes, 0, 4, 8, protocol); return counter.count() }
  t.equal(see(endpoints(1, 40000, 2, 80)), 1)
  t.equal(see(endpoints(2, 80, 1, 40000)), 1)
  t.equal(see(endpoints(1, 40001, 2, 80)), 2)
  t.equal(see(endpoints(1, 80, 2, 40000)), 3, 'ports change sides')
  t.equal(see(endpoints(3, 40000, 2, 80)), 4)
  t.equal(see(endpoints(1, 40000, 2, 80), 17), 5)
  t.equal(see(endpoints(7, 53, 7, 53)), 6, 'with itself')
  t.equal(see(endpoints(8, 53, 8, 53)), 7)
  t.end()
})

t.test('counts neighbours apart up to its limit, and no further', t => {
  const counter = createConversationCounter()
  for (let index = 0; index < maxConversations + 500; index++) {
    counter.see(endpoints(0x0a000000 + (index >> 6), 1024 + (index & 63), 0x0a600001, 80), 0, 4, 8, 6)
    if (index < maxConversations && counter.count() !== index + 1) t.fail(`two conversations fell together at ${index}`)
  }
  t.equal(counter.count(), maxConversations)
  t.end()
})
