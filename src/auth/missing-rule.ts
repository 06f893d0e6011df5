import type { Principal, Right } from '#core/principal.ts'

/** The rule of RBAC that would give the right, ready to be put among the rules of a Role, and where and for whom. */
export function missingRule ({ username }: Principal, { group, resource, subresource, verb, namespace }: Right): string {
  const what = subresource ? `${resource}/${subresource}` : resource
  const rule = `- {apiGroups: [${group || '""'}], resources: [${what}], verbs: [${verb}]}`
  const [, account] = /^system:serviceaccount:([^:]+:[^:]+)$/.exec(username) ?? []
  const subject = account === undefined ? `user ${JSON.stringify(username)}` : `ServiceAccount "${account.replace(':', '/')}"`
  const place = namespace === '' ? 'cluster-wide, by a ClusterRole and a ClusterRoleBinding' : `in namespace "${namespace}", by a Role and a RoleBinding`
  return `${subject} lacks the rule ${rule} ${place}`
}
