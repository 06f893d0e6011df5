import { podSecurityLevels, type CapabilitiesView } from '#core/capabilities.ts'
import { Problem } from '#core/errors.ts'
import type { Hello } from '#core/ports/channel.ts'
import type { NamespaceSummary } from '#core/ports/cluster.ts'
import { askAccountRights, rightsFor, targetRights, type AccountRights } from './account-rights.ts'
import { isOlder, minimumVersion, stageOf, stageMeaning } from './cluster-version.ts'
import type { Context } from './context.ts'
import { createRecent } from './recent.ts'
import { registryOf } from './registry-of.ts'
import type { UseCases } from './use-cases.ts'

/** Asking takes some dozens of calls to the API server, and what they answer seldom changes. */
const lifeMs = 30_000

const imagePull = 'Nodes pull our images with the pull secrets of the pod that is looked into (spec.imagePullSecrets), as Kubernetes allows ' +
  'ephemeral containers no others; preflight warns PULL_SECRETS where those of a pod are not known to reach the registry'

/** What can be done in this cluster, and what stands in the way, in words. */
export function createCapabilities (context: Context): Pick<UseCases, 'capabilities'> {
  const { reader, reviewer, channels, catalogue, policy } = context
  const recent = createRecent<Awaited<ReturnType<typeof survey>>>(lifeMs)
  const diagnostics = [...catalogue.values()]

  async function survey () {
    const wanted = [...diagnostics.flatMap(rightsFor), ...targetRights]
    const [info, rights, namespaces, admission, cni] = await Promise.all([
      reader.info(),
      orWhy(askAccountRights(reviewer, wanted, policy.namespaces)),
      orWhy(reader.namespaces()),
      reader.admission(),
      reader.network()
    ])
    return { info, rights, namespaces, admission, cni }
  }

  return {
    async capabilities (): Promise<CapabilitiesView> {
      const { info: { version, ephemeralContainers }, rights, namespaces, admission, cni } = await recent.of('cluster', survey)
      const missing = (wanted: Parameters<AccountRights['missing']>[0]) => rights.known?.missing(wanted) ?? []
      const stage = stageOf(version, ephemeralContainers)
      const view = {
        cluster: policy.cluster,
        version,
        ephemeralContainers,
        ephemeralContainersStage: stage,
        ephemeralContainersMeaning: stageMeaning[stage],
        minimumVersion,
        images: policy.images.map(({ name, references: [reference = ''] }) => ({ name, reference, registry: registryOf(reference) })),
        imagePull,
        account: { namespaces: rights.known?.namespaces ?? 0, missingRights: missing(targetRights), unread: rights.unread },
        diagnostics: diagnostics.map(diagnostic => ({ name: diagnostic.name, missingRights: missing(rightsFor(diagnostic)) })),
        podSecurity: { levels: countLevels(namespaces.known ?? []), unread: namespaces.unread },
        admission,
        cni,
        landlock: sayLandlock([...channels.hellos().values()])
      }
      return { ...view, warnings: warningsOf(view) }
    }
  }
}

/** A part whose failure is said instead of failing the whole. */
async function orWhy<T> (asking: Promise<T>): Promise<{ known: T | null, unread: string[] }> {
  try {
    return { known: await asking, unread: [] }
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    return { known: null, unread: [error.message] }
  }
}

function countLevels (namespaces: NamespaceSummary[]): CapabilitiesView['podSecurity']['levels'] {
  const labels = namespaces.map(({ labels }) => labels['pod-security.kubernetes.io/enforce'] ?? 'none')
  return podSecurityLevels.map(level => ({ level, namespaces: labels.filter(label => label === level).length }))
    .filter(({ namespaces }) => namespaces > 0)
}

function sayLandlock (hellos: Hello[]): CapabilitiesView['landlock'] {
  const versions = hellos.map(({ landlock }) => landlock)
  const unconfined = versions.filter(version => version === 0).length
  const meaning = versions.length === 0
    ? 'Unknown: this process has opened no channel yet; runners say it when they start'
    : unconfined > 0
      ? `On ${unconfined} of ${versions.length} nodes the kernel has no Landlock: tools are kept to the list of the runner there, but not confined`
      : `On all ${versions.length} nodes seen, tools execute, read and write only what they need`
  return { nodes: versions.length, unconfined, version: versions.length === 0 ? null : Math.min(...versions), meaning }
}

function warningsOf (view: Omit<CapabilitiesView, 'warnings'>): string[] {
  const { version, diagnostics, account, podSecurity, admission, cni, landlock } = view
  const lacking = [...new Set(diagnostics.flatMap(({ missingRights }) => missingRights))]
  const under = (level: string) => podSecurity.levels.find(seen => seen.level === level)?.namespaces ?? 0
  const [restricted, baseline, policies] = [under('restricted'), under('baseline'), admission.policies.length]
  const unread = [...account.unread, ...podSecurity.unread, ...admission.unread, ...cni.unread]
  return [
    ...(view.ephemeralContainersStage === 'stable' ? [] : [view.ephemeralContainersMeaning]),
    ...(isOlder(version, minimumVersion) ? [`Kubernetes ${version} is older than ${minimumVersion}, the oldest version supported`] : []),
    ...(lacking.length > 0 ? [`Our account lacks: ${lacking.join(', ')}`] : []),
    ...(account.missingRights.length > 0 ? [`Our account cannot find the pods of every target; it lacks: ${account.missingRights.join(', ')}`] : []),
    ...(restricted > 0 ? [`PodSecurity restricted holds in ${restricted} namespaces: what needs NET_RAW cannot be launched there`] : []),
    ...(baseline > 0 ? [`PodSecurity baseline holds in ${baseline} namespaces: what needs NET_RAW takes profile defaultcaps there`] : []),
    ...(policies > 0 ? [`${policies} admission policies or webhooks look at pods: preflight asks them by a dry run`] : []),
    ...(cni.names.length === 0 ? ['The network of the cluster is unknown: whether it enforces NetworkPolicies cannot be said'] : []),
    ...(landlock.unconfined > 0 ? [landlock.meaning] : []),
    ...[...new Set(unread)].map(why => `Not known in full: ${why}`)
  ]
}
