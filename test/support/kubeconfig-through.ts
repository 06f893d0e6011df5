import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { loadKubeConfig } from '../../src/kubernetes/kube-config.ts'
import { kubeconfig } from './lab.ts'

/**
 * A kubeconfig file whose API server is reached through this port on loopback: a fault proxy's. `http`: of one that speaks plain HTTP, and
 * TLS to the server. Gone with the test.
 */
export function kubeconfigThrough (t: Test, port: number, scheme: 'https' | 'http' = 'https'): string {
  const config = loadKubeConfig({ kubeconfig: kubeconfig() })
  // The certificate of an API server names the service `kubernetes`, but hardly ever loopback.
  const server = `${scheme}://127.0.0.1:${port}`
  config.clusters = config.clusters.map(cluster => ({ ...cluster, server, tlsServerName: 'kubernetes', skipTLSVerify: scheme === 'http' }))
  const folder = mkdtempSync(join(tmpdir(), 'ephemera-kubeconfig-'))
  t.teardown(() => { rmSync(folder, { recursive: true, force: true }) })
  const path = join(folder, 'config')
  writeFileSync(path, config.exportConfig(), { mode: 0o600 })
  return path
}
