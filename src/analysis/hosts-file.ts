import { isIP } from 'node:net'

export interface HostsEntry {
  ip: string
  /** In lower case, since case means nothing. */
  names: string[]
  /** From 1. */
  line: number
}

/** Reads hosts(5); lines that do not begin with an address are passed over, as the C library does. */
export function parseHosts (text: string): HostsEntry[] {
  return text.split('\n').flatMap((content, index) => {
    const [ip = '', ...names] = content.replace(/#.*/, '').trim().toLowerCase().split(/\s+/)
    return isIP(ip) !== 0 && names.length > 0 ? [{ ip, names, line: index + 1 }] : []
  })
}

/** Names that have several addresses of one family: which of them is used depends on the C library. */
export function conflictsIn (entries: HostsEntry[]): { name: string, ips: string[], lines: number[] }[] {
  const places = entries.flatMap(({ ip, names, line }) => [...new Set(names)].map(name => ({ name, ip, line })))
  const groups = Map.groupBy(places, ({ name, ip }) => `${name} ${isIP(ip)}`)
  return [...groups.values()].flatMap(same => {
    const ips = [...new Set(same.map(({ ip }) => ip))]
    return ips.length > 1 ? [{ name: same[0]!.name, ips, lines: same.map(({ line }) => line) }] : []
  })
}
