import type { Right } from '#core/principal.ts'
import { readingRights } from '#core/reading.ts'
import type { Context } from './context.ts'
import type { Capabilities, UseCases } from './use-cases.ts'

/** The oldest Kubernetes whose ephemeral containers are stable. */
export const minimumVersion = '1.25'

const own = (verb: string, resource: string, subresource?: string): Right =>
  ({ group: '', resource, verb, namespace: '', ...(subresource ? { subresource } : {}) })

/** What our own account needs to measure anywhere, and to read for callers. */
const neededRights: Right[] = [
  own('get', 'pods'), own('list', 'pods'), own('watch', 'pods'), own('patch', 'pods', 'ephemeralcontainers'), own('get', 'pods', 'exec'), own('create', 'pods', 'exec'),
  ...readingRights.filter(({ resource }) => resource !== 'pods')
]

const nameOf = ({ verb, resource, subresource }: Right) => `${verb} ${resource}${subresource ? `/${subresource}` : ''}`

export function isOlder (version: string, than: string): boolean {
  const parts = (text: string) => text.replace(/^v/, '').split('.').map(part => Number.parseInt(part, 10))
  const [major = 0, minor = 0] = parts(version)
  const [wantedMajor = 0, wantedMinor = 0] = parts(than)
  return major !== wantedMajor ? major < wantedMajor : minor < wantedMinor
}

/** What can be done in this cluster, and what stands in the way, in words. */
export function createCapabilities ({ reader, reviewer, catalogue, policy }: Context): Pick<UseCases, 'capabilities'> {
  return {
    async capabilities (): Promise<Capabilities> {
      const [{ version, ephemeralContainers }, granted] = await Promise.all([
        reader.info(), Promise.all(neededRights.map(needed => reviewer.selfAllowed(needed)))
      ])
      const missingRights = neededRights.filter((_, index) => !granted[index]).map(nameOf)
      const warnings: string[] = []
      if (!ephemeralContainers) warnings.push('The API server lists no pods/ephemeralcontainers: nothing can be launched')
      if (isOlder(version, minimumVersion)) warnings.push(`Kubernetes ${version} is older than ${minimumVersion}, the oldest version supported`)
      if (missingRights.length > 0) warnings.push(`Our account lacks: ${missingRights.join(', ')}`)
      return {
        cluster: policy.cluster,
        version,
        ephemeralContainers,
        minimumVersion,
        images: policy.images.map(({ name, references }) => ({ name, reference: references[0]! })),
        diagnostics: [...catalogue.keys()].map(name => ({ name, missingRights })),
        warnings
      }
    }
  }
}
