/**
 * Files of the resolver as the runner sees them: what `read` may name. resolv.conf and hosts are the pod's own, the others those of the
 * session's image.
 */
export const resolverFiles = ['resolv.conf', 'hosts', 'nsswitch.conf', 'host.conf'] as const
export type ResolverFile = typeof resolverFiles[number]
