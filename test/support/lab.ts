import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import type { Right } from '#core/principal.ts'

const script = fileURLToPath(new URL('../../lab/lab.sh', import.meta.url))
const ask = (...args: string[]) => execFileSync('bash', [script, ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }).trim()

const once = <T>(make: () => T) => {
  let made: T | undefined
  return () => {
    made ??= make()
    return made
  }
}

export const kubeconfig = once(() => ask('kubeconfig'))
export const programs = once(() => ask('bin'))
/** References of the images of this checkout: toolbox, toolbox-test, sample-app. */
export const images = once(() => JSON.parse(ask('images')) as Record<string, string>)
/** The image of the service, built of this checkout. */
export const serviceImage = once(() => ask('image', 'service'))

/** The node's address, which pods and the host reach alike. */
export const nodeAddress = '10.99.0.1'
/** The node's end of the pods' network. */
export const bridge = 'ephemera0'

export function kubectl (...args: string[]): string {
  return execFileSync(`${programs()}/kubectl`, ['--kubeconfig', kubeconfig(), ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}

export function apply (manifest: object): void {
  execFileSync(`${programs()}/kubectl`, ['--kubeconfig', kubeconfig(), 'apply', '-f', '-'], { input: JSON.stringify(manifest), stdio: ['pipe', 'ignore', 'pipe'] })
}

/** Whether a user of the lab has a right, as its API server says. */
export function review (user: string, { group, resource, subresource, verb, namespace }: Right): boolean {
  // What the API server adds to every ServiceAccount.
  const [, , accounts] = user.split(':')
  const groups = ['system:authenticated', 'system:serviceaccounts', `system:serviceaccounts:${accounts}`]
  const resourceAttributes = { group, resource, subresource, verb, namespace }
  const input = JSON.stringify({ apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview', spec: { user, groups, resourceAttributes } })
  const args = ['--kubeconfig', kubeconfig(), 'create', '-f', '-', '-o', 'jsonpath={.status.allowed}']
  return execFileSync(`${programs()}/kubectl`, args, { input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] }) === 'true'
}

/** What the service needs to know to work on the lab. */
export const labEnvironment = (): Record<string, string> => ({
  EPHEMERA_KUBECONFIG: kubeconfig(),
  EPHEMERA_IMAGES: ['toolbox', 'toolbox-test'].map(name => `${name}=${images()[name]}`).join(',')
})

/** A namespace of this test alone, so that two runs on one lab stay apart; gone with the test. */
export function makeNamespace (t: Test, labels: Record<string, string> = {}): string {
  const name = `test-${randomBytes(4).toString('hex')}`
  apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels: { 'ephemera.dev/test': 'true', ...labels } } })
  t.teardown(() => { kubectl('delete', 'namespace', name, '--wait=false') })
  return name
}

interface ServiceOptions { name?: string, selector?: Record<string, string>, spec?: Record<string, unknown>, endpoints?: number }

interface Slice { endpoints?: { conditions?: { ready?: boolean } }[] }

/** Ready ones, as its EndpointSlices have them now. */
function countEndpoints (namespace: string, service: string): number {
  const label = `kubernetes.io/service-name=${service}`
  const { items }: { items: Slice[] } = JSON.parse(kubectl('get', 'endpointslices', '-n', namespace, '-l', label, '-o', 'json'))
  return items.flatMap(({ endpoints }) => endpoints ?? []).filter(({ conditions }) => conditions?.ready ?? true).length
}

/** How many of them kube-proxy has made rules for. */
const countRules = (namespace: string, service: string) =>
  execFileSync('iptables-save', ['-t', 'nat'], { encoding: 'utf8' }).split('\n').filter(line => line.includes(`"${namespace}/${service} -> `)).length

/** Waits until a Service has so many ready endpoints, and kube-proxy knows; a headless one has no rules. */
export function untilServed (namespace: string, service: string, endpoints: number): void {
  const isHeadless = kubectl('get', 'service', '-n', namespace, service, '-o', 'jsonpath={.spec.clusterIP}') === 'None'
  const isServed = () => countEndpoints(namespace, service) === endpoints && (isHeadless || countRules(namespace, service) === endpoints)
  for (const end = Date.now() + 30_000; !isServed();) {
    if (Date.now() > end) throw new Error(`Service ${service} has ${countEndpoints(namespace, service)} endpoints after 30 s, not ${endpoints}`)
  }
}

/** A Service with port 80 to the sample application's 8080; answers when it has so many ready endpoints. */
export function makeService (namespace: string, { name = `service-${randomBytes(3).toString('hex')}`, selector, spec, endpoints }: ServiceOptions = {}): string {
  apply({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace, name },
    spec: { ...selector ? { selector } : {}, ports: [{ port: 80, targetPort: 8080 }], ...spec }
  })
  if (endpoints !== undefined) untilServed(namespace, name, endpoints)
  return name
}

/** A ServiceAccount of the namespace that may do this with jobs there, and nothing else; answers a token of it. */
export function makeCaller (namespace: string, verbs: string[], name = `caller-${randomBytes(3).toString('hex')}`): string {
  kubectl('create', 'serviceaccount', '-n', namespace, name)
  apply({ apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role', metadata: { namespace, name }, rules: [{ apiGroups: ['ephemera.dev'], resources: ['jobs'], verbs }] })
  kubectl('create', 'rolebinding', '-n', namespace, name, `--role=${name}`, `--serviceaccount=${namespace}:${name}`)
  return kubectl('create', 'token', '-n', namespace, name, '--audience=ephemera').trim()
}

interface PodOptions {
  name?: string
  labels?: Record<string, string>
  annotations?: Record<string, string>
  /** Merged over the pod's spec. */
  spec?: Record<string, unknown>
  /** Merged over its one container. */
  container?: Record<string, unknown>
  /** false: answers at once, whatever becomes of the pod. */
  wait?: boolean
}

/** A pod of the sample application. */
export function makePod (namespace: string, options: PodOptions = {}): string {
  const { name = `pod-${randomBytes(4).toString('hex')}`, labels, annotations, spec, container, wait = true } = options
  apply({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace, name, labels: labels ?? { app: name }, annotations: annotations ?? {} },
    spec: {
      automountServiceAccountToken: false,
      terminationGracePeriodSeconds: 1,
      containers: [{ name: 'app', image: images()['sample-app'], imagePullPolicy: 'IfNotPresent', ports: [{ containerPort: 8080 }], ...container }],
      ...spec
    }
  })
  if (wait) kubectl('wait', '-n', namespace, '--for=condition=Ready', `pod/${name}`, '--timeout=60s')
  return name
}

export interface PodObject {
  metadata: { uid: string, name: string }
  spec: { ephemeralContainers?: { name: string, image: string }[] }
  status: {
    podIP: string
    containerStatuses?: { restartCount: number, ready: boolean, containerID?: string }[]
    ephemeralContainerStatuses?: { name: string, containerID?: string, state: Record<string, unknown> }[]
  }
}
export const readPod = (namespace: string, name: string): PodObject => JSON.parse(kubectl('get', 'pod', '-n', namespace, name, '-o', 'json'))

/** The name of the one running pod with this label app. */
export const podOf = (namespace: string, app: string): string =>
  kubectl('get', 'pods', '-n', namespace, '-l', `app=${app}`, '--field-selector=status.phase=Running', '-o', 'jsonpath={.items[0].metadata.name}')
