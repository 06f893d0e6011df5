import { execFile, execFileSync } from 'node:child_process'
import { promisify } from 'node:util'
import { kubeconfig, kubectl, programs } from './lab.ts'

export interface PodAnswer<T> { status: number, body: T }

interface Content {
  body?: unknown
  headers?: Record<string, string>
  /** Instead of the one that is mounted into the pod; '': none. */
  token?: string
}

/** A caller of the API that lives in a pod: curl of the toolbox, with the token of the pod's own ServiceAccount. */
export function apiPod (namespace: string, pod: string, url: string, tokenFile: string) {
  const curl = (...args: string[]) => ['exec', '-n', namespace, pod, '--', 'curl', '--silent', '--show-error', '--max-time', '120', ...args]
  const mounted = ['--variable', `token@${tokenFile}`, '--expand-header', 'Authorization: Bearer {{token:trim}}']

  return {
    call<T = Record<string, unknown>> (method: string, path: string, { body, headers = {}, token }: Content = {}): PodAnswer<T> {
      const stated = token === undefined ? mounted : token === '' ? [] : ['--header', `Authorization: Bearer ${token}`]
      const content = body === undefined ? [] : ['--header', 'Content-Type: application/json', '--data', JSON.stringify(body)]
      const others = Object.entries(headers).flatMap(([name, value]) => ['--header', `${name}: ${value}`])
      const text = kubectl(...curl('--request', method, '--write-out', '\n%{http_code}', ...stated, ...content, ...others, url + path))
      const end = text.lastIndexOf('\n')
      const answer = text.slice(0, end)
      return { status: Number(text.slice(end + 1)), body: (/^[{[]/.test(answer) ? JSON.parse(answer) : answer) as T }
    },
    /** Asks without a pause, each time by a new connection; answers how to stop, and then the statuses that came. */
    keepAsking (path: string): () => Promise<string[]> {
      const [, , , , , ...command] = curl(...mounted, '--output', '/dev/null', '--write-out', '%{http_code}\\n', url + path)
      const quoted = command.map(argument => `'${argument}'`).join(' ')
      const script = `until [ -e /dev/shm/enough ]; do ${quoted}; done`
      const args = ['--kubeconfig', kubeconfig(), 'exec', '-n', namespace, pod, '--', 'sh', '-c', script]
      const asked = promisify(execFile)(`${programs()}/kubectl`, args, { encoding: 'utf8' })
      return async () => {
        kubectl('exec', '-n', namespace, pod, '--', 'sh', '-c', ': > /dev/shm/enough')
        return (await asked).stdout.trim().split('\n')
      }
    },
    bytes (path: string): Buffer {
      const args = ['--kubeconfig', kubeconfig(), ...curl('--fail', ...mounted, url + path)]
      return execFileSync(`${programs()}/kubectl`, args, { maxBuffer: 64 << 20, stdio: ['ignore', 'pipe', 'pipe'] })
    }
  }
}
