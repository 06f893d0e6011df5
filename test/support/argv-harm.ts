import { isIP } from 'node:net'
import { domainToASCII } from 'node:url'
import { isRefusedAddress } from '#core/refused-addresses.ts'

const shells = new Set(['sh', 'bash', 'dash', 'ash', 'busybox', 'env', 'xargs', 'nsenter'])
/** They only watch: an address in their filter is not talked to. */
const passive = new Set(['tcpdump'])
const controls = /[\p{Cc}\u2028\u2029]/u

/** The number that the C library reads, where it reads one. */
function numberOf (part: string, decimal: boolean): number {
  if (/^0x[0-9a-f]*$/i.test(part)) return Number.parseInt(`0${part.slice(2)}`, 16)
  if (!/^\d+$/.test(part)) return NaN
  return Number.parseInt(part, part.startsWith('0') && !decimal ? 8 : 10)
}

/** IPv4 addresses that a tool may read in a text of one to four numbers; zero-padded ones are octal to some and decimal to others. */
function * ipv4Readings (text: string): Generator<string> {
  const parts = text.split('.')
  if (parts.length > 4) return
  for (const decimal of [false, true]) {
    const numbers = parts.map(part => numberOf(part, decimal))
    if (numbers.some(Number.isNaN)) continue
    const last = numbers.pop()!
    const sum = numbers.reduce((sum, number, index) => sum + (number & 255) * 256 ** (3 - index), last % 2 ** 32)
    yield [24, 16, 8, 0].map(shift => Math.floor(sum / 2 ** shift) % 256).join('.')
  }
}

function decode (text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** All that a tool, however lenient, could take for an address in an argument. */
function * addressesIn (argument: string): Generator<string> {
  const host = URL.canParse(argument) ? new URL(argument).hostname : argument
  for (const written of new Set([host, decode(host), decode(host).normalize('NFKC'), domainToASCII(host)])) {
    for (const part of written.split(/[\s,@#/[\]]+|^@/)) {
      const text = part.replace(/%.*$/, '').replace(/\.$/, '').replace(/^([^:]*):\d+$/, '$1')
      if (isIP(text) !== 0) yield text
      yield * ipv4Readings(text)
    }
  }
}

/** What is wrong with an argv that a value of a caller took part in, in words; null where nothing is. `options` are those that are ours. */
export function harmOf (argv: string[], value: string, options: ReadonlySet<string>): string | null {
  const [tool = '', ...args] = argv
  if (shells.has(tool)) return 'a shell'
  for (const argument of args) {
    if (controls.test(argument)) return 'a control character'
    const isOurs = options.has(argument) && argument !== value
    if (/^[-+]/.test(argument) && !isOurs) return `an option: ${argument}`
    // dig takes its server only so: an address, which is no file or name.
    if (argument.startsWith('@') && isIP(argument.slice(1)) === 0) return `an option: ${argument}`
    if (!passive.has(tool) && [...addressesIn(argument)].some(isRefusedAddress)) return `a forbidden address: ${argument}`
  }
  return null
}

export const optionsIn = (argvs: string[][]): string[] => argvs.flat().filter(argument => /^[-+]/.test(argument))
