/** Our uid in a pod: one that nobody else uses, so that no application can reach into our process. */
export const runnerUid = 64646

export const profileNames = ['restricted', 'netraw', 'defaultcaps'] as const
export type ProfileName = typeof profileNames[number]

const asRoot = { runAsUser: 0, runAsGroup: 0, runAsNonRoot: false }
const caged = { readOnlyRootFilesystem: true, seccompProfile: { type: 'RuntimeDefault' } }

/**
 * The securityContext of each profile, whole: an admission policy compares it field by field.
 * netraw needs uid 0 because a capability added to another uid is not effective; defaultcaps is for namespaces whose PodSecurity
 * refuses added capabilities but not the runtime's own.
 */
export const securityContexts = {
  restricted: {
    runAsUser: runnerUid,
    runAsGroup: runnerUid,
    runAsNonRoot: true,
    allowPrivilegeEscalation: false,
    capabilities: { drop: ['ALL'] },
    ...caged
  },
  netraw: { ...asRoot, allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'], add: ['NET_RAW'] }, ...caged },
  defaultcaps: { ...asRoot, ...caged }
} as const satisfies Record<ProfileName, object>
