import type { RequestOptions } from 'node:https'
import type { Test } from 'tap'
import { loadKubeConfig } from '../../src/kubernetes/kube-config.ts'
import { labServer } from '../support/cluster.ts'
import type { HttpTarget } from '../support/http-faults.ts'
import { apply, kubeconfig, kubectl, images, makeNamespace } from '../support/lab.ts'
import { startPostgresServer } from '../support/postgres-server.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { startS3, type S3Server } from '../support/s3.ts'

/** What the processes of a run share: real servers of this run alone, and the lab. */
export interface Servers { postgres: string, redis: TestRedis, s3: S3Server, cluster: HttpTarget }

export async function startServers (t: Test): Promise<Servers> {
  const tls: RequestOptions = {}
  await loadKubeConfig({ kubeconfig: kubeconfig() }).applyToHTTPSOptions(tls)
  const { ca, cert, key } = tls
  const [postgres, redis, s3] = await Promise.all([startPostgresServer(t, '127.0.0.1'), startRedis(t), startS3(t)])
  return { postgres, redis, s3, cluster: { ...labServer(), tls: { ca, cert, key } } }
}

export interface Place { namespace: string, pods: string[], tokens: string[] }

const list = (items: object[]) => ({ apiVersion: 'v1', kind: 'List', items })

/** Pods of the sample application, and callers who may do everything with jobs there. */
export function makePlace (t: Test, { pods, callers }: { pods: number, callers: number }): Place {
  const namespace = makeNamespace(t)
  const podNames = Array.from({ length: pods }, (_, nth) => `pod-${nth}`)
  const accounts = Array.from({ length: callers }, (_, nth) => `caller-${nth}`)
  const rbac = 'rbac.authorization.k8s.io'
  apply(list([
    ...podNames.map(name => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { namespace, name, labels: { app: 'sample' } },
      spec: {
        automountServiceAccountToken: false,
        terminationGracePeriodSeconds: 1,
        containers: [{ name: 'app', image: images()['sample-app'], imagePullPolicy: 'IfNotPresent', ports: [{ containerPort: 8080 }] }]
      }
    })),
    ...accounts.map(name => ({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { namespace, name } })),
    { apiVersion: `${rbac}/v1`, kind: 'Role', metadata: { namespace, name: 'callers' }, rules: [{ apiGroups: ['ephemera.dev'], resources: ['*'], verbs: ['*'] }] },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'RoleBinding',
      metadata: { namespace, name: 'callers' },
      roleRef: { apiGroup: rbac, kind: 'Role', name: 'callers' },
      subjects: accounts.map(name => ({ kind: 'ServiceAccount', namespace, name }))
    }
  ]))
  const tokens = accounts.map(name => kubectl('create', 'token', '-n', namespace, name, '--audience=ephemera', '--duration=2h').trim())
  kubectl('wait', '-n', namespace, '--for=condition=Ready', 'pod', '--all', '--timeout=120s')
  return { namespace, pods: podNames, tokens }
}
