import { execFileSync, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseAllDocuments } from 'yaml'
import { kubeconfig, programs } from './lab.ts'

export const chart = fileURLToPath(new URL('../../helm/ephemera', import.meta.url))

export interface Rule { apiGroups: string[], resources: string[], verbs: string[] }
interface Subject { kind: string, name: string, namespace: string }
interface EnvironmentVariable { name: string, value?: string, valueFrom?: { secretKeyRef: { name: string, key: string } } }
interface Mount { name: string, mountPath: string, readOnly?: boolean }
export interface PodSpec {
  terminationGracePeriodSeconds: number
  containers: { image: string, args: string[], env: EnvironmentVariable[], volumeMounts: Mount[] }[]
  volumes: { name: string, configMap?: { name: string }, projected?: { sources: object[] } }[]
}
export interface Manifest {
  kind: string
  metadata: { name: string, namespace?: string, labels: Record<string, string> }
  rules?: Rule[]
  roleRef?: { kind: string, name: string }
  subjects?: Subject[]
  spec?: { replicas: number, template: { spec: PodSpec } }
}

/** The least that an installation must say. */
export const leastValues = {
  images: { toolbox: [`registry.example/ephemera/toolbox@sha256:${'0'.repeat(64)}`] },
  database: { existingSecret: 'postgres' },
  redis: { existingSecret: 'redis' },
  s3: { bucket: 'evidence' }
}

const templating = ['template', 'ephemera', chart, '--namespace', 'diagnostics', '--kube-version', '1.34.0', '--values', '-']

export function render (values: object = leastValues): Manifest[] {
  const text = execFileSync(`${programs()}/helm`, templating, { input: JSON.stringify(values), encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] })
  return parseAllDocuments(text).flatMap(document => document.contents === null ? [] : [document.toJS() as Manifest])
}

/** What Helm says where it refuses the values; '' where it takes them. */
export function refusal (values: object): string {
  const { status, stderr } = spawnSync(`${programs()}/helm`, templating, { input: JSON.stringify(values), encoding: 'utf8' })
  return status === 0 ? '' : stderr
}

/** A command of Helm on the lab; `values` are read where it says `--values -`. */
export function helm (args: string[], values?: object): string {
  const input = values === undefined ? '' : JSON.stringify(values)
  return execFileSync(`${programs()}/helm`, ['--kubeconfig', kubeconfig(), ...args], { input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] })
}
