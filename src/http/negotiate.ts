import type { FastifyReply, FastifyRequest } from 'fastify'

function qualityOf (type: string, ranges: { range: string, quality: number }[]): number {
  const group = `${type.split('/')[0]}/*`
  for (const wanted of [type, group, '*/*']) {
    const match = ranges.find(({ range }) => range === wanted)
    if (match) return match.quality
  }
  return 0
}

/** The media type that the caller likes best; the first one where it has no preference, or none that we could fulfil. */
export function negotiate<T extends string> (request: FastifyRequest, reply: FastifyReply, types: readonly [T, ...T[]]): T {
  reply.header('vary', 'Accept')
  const ranges = (request.headers.accept ?? '*/*').toLowerCase().split(',').slice(0, 50).map(part => {
    const [range = '', ...parameters] = part.split(';').map(text => text.trim())
    const quality = Number(parameters.find(parameter => parameter.startsWith('q='))?.slice(2) ?? 1)
    return { range, quality: Number.isNaN(quality) ? 0 : quality }
  })
  let best: T = types[0]
  for (const type of types) if (qualityOf(type, ranges) > qualityOf(best, ranges)) best = type
  return best
}
