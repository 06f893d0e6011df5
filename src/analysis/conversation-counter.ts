/** Beyond this many it stops counting: memory stays the same whatever passes by. */
export const maxConversations = 16_384
const slots = 2 * maxConversations

/** FNV-1a over an address and its port, then mixed: neighbouring addresses must not fall together. */
function hash (bytes: Uint8Array, address: number, addressBytes: number, port: number, seed: number): number {
  let value = seed
  for (let at = address; at < address + addressBytes; at++) value = Math.imul(value ^ bytes[at]!, 0x01000193)
  value = Math.imul(value ^ bytes[port]!, 0x01000193)
  value = Math.imul(value ^ bytes[port + 1]!, 0x01000193)
  value = Math.imul(value ^ value >>> 15, 0x2c1b3c6d)
  return value ^ value >>> 13
}

/** Far more than chance brings together; whoever chooses addresses so that they collide shall not cost time. */
const maxProbes = 512

/** Counts pairs of address and port that talk, whichever side begins. They are told apart by 64 bits of hash, not kept. */
export function createConversationCounter () {
  const low = new Int32Array(slots)
  const high = new Int32Array(slots)
  let count = 0
  return {
    count: () => count,
    /** Ports are at `ports` and `ports + 2`, addresses of `addressBytes` one after the other at `addresses`. */
    see (bytes: Uint8Array, addresses: number, addressBytes: number, ports: number, protocol: number): void {
      const destination = addresses + addressBytes
      // Sum and xor are the same for both directions.
      const sum = hash(bytes, addresses, addressBytes, ports, 1) + hash(bytes, destination, addressBytes, ports + 2, 1)
      const xor = hash(bytes, addresses, addressBytes, ports, 2) ^ hash(bytes, destination, addressBytes, ports + 2, 2)
      const a = sum ^ Math.imul(protocol, 0x9e3779b1)
      // An empty slot is 0 and 0.
      const b = xor | 1
      for (let probe = 0, slot = (a >>> 0) % slots; probe < maxProbes; probe++, slot = (slot + 1) % slots) {
        if (low[slot] === a && high[slot] === b) return
        if (high[slot] !== 0) continue
        if (count === maxConversations) return
        low[slot] = a
        high[slot] = b
        count++
        return
      }
    }
  }
}
