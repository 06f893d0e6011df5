import { Problem } from '#core/errors.ts'
import { dnsLabel, dnsSubdomain } from '#core/schema.ts'

const label = new RegExp(dnsLabel)
const subdomain = new RegExp(dnsSubdomain)

// The last gate before a name meets a URL or a query: the library does not encode all of them, and `a/../kube-system` is a path.
function check (pattern: RegExp, what: string, name: string): string {
  if (pattern.test(name)) return name
  throw new Problem('EPH_INVALID_REQUEST', `Cannot use ${JSON.stringify(name.slice(0, 80))} as name of a ${what}: it is no DNS-1123 name`)
}

export const checkNamespace = (name: string): string => check(label, 'namespace', name)
export const checkContainer = (name: string): string => check(label, 'container', name)
/** Pods, Services, workloads, nodes. */
export const checkObject = (name: string): string => check(subdomain, 'object', name)
