import type { CapabilitiesView } from '#core/capabilities.ts'

/** The oldest Kubernetes whose ephemeral containers are stable. */
export const minimumVersion = '1.25'

export function isOlder (version: string, than: string): boolean {
  const parts = (text: string) => text.replace(/^v/, '').split('.').map(part => Number.parseInt(part, 10))
  const [major = 0, minor = 0] = parts(version)
  const [wantedMajor = 0, wantedMinor = 0] = parts(than)
  return major !== wantedMajor ? major < wantedMajor : minor < wantedMinor
}

type Stage = CapabilitiesView['ephemeralContainersStage']

/** What discovery says decides: a version only tells how far that can be relied on. */
export function stageOf (version: string, isListed: boolean): Stage {
  if (!isListed) return 'absent'
  return isOlder(version, minimumVersion) ? 'beta' : 'stable'
}

export const stageMeaning: Record<Stage, string> = {
  absent: 'The API server lists no pods/ephemeralcontainers: nothing can be launched. They come with Kubernetes 1.25, or with 1.23 where the ' +
    'feature gate EphemeralContainers is not switched off',
  beta: 'Ephemeral containers are beta in this version: launches work, as long as the feature gate EphemeralContainers stays switched on',
  stable: 'Ephemeral containers are part of this version, and cannot be switched off'
}
