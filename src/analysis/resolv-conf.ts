export interface ResolverConfig {
  /** In the order of asking, each with its line, from 1. */
  nameservers: { ip: string, line: number }[]
  search: string[]
  /** Where the search list stands; null where there is none. */
  searchLine: number | null
  /** Names with fewer dots go through the search list first. */
  ndots: number
  ndotsLine: number | null
  /** As they stand there, in order. */
  options: string[]
}

const maxNdots = 15

/**
 * Reads resolv.conf(5) as the C library does: keywords stand at the beginning of a line, the last of `domain` and `search` holds, options
 * add up, and what is not known is passed over.
 */
export function parseResolvConf (text: string): ResolverConfig {
  const config: ResolverConfig = { nameservers: [], search: [], searchLine: null, ndots: 1, ndotsLine: null, options: [] }
  for (const [index, content] of text.split('\n').entries()) {
    const line = index + 1
    const [keyword = '', ...values] = content.trimEnd().split(/[ \t]+/)
    const [first] = values
    if (keyword === 'nameserver' && first !== undefined) config.nameservers.push({ ip: first, line })
    if ((keyword === 'search' || keyword === 'domain') && first !== undefined) {
      config.search = keyword === 'domain' ? [first] : values
      config.searchLine = line
    }
    if (keyword !== 'options') continue
    config.options.push(...values)
    for (const option of values) {
      const ndots = /^ndots:(\d+)/.exec(option)?.[1]
      if (ndots === undefined) continue
      config.ndots = Math.min(Number(ndots), maxNdots)
      config.ndotsLine = line
    }
  }
  return config
}
