import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { readPod } from './lab.ts'

const read = (path: string): string => {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return '' // the process has ended meanwhile
  }
}

/** What stands before the argv of a program of the lab's host that is to run in the network of a pod. */
export function enterNetworkOf (namespace: string, pod: string): string[] {
  const id = readPod(namespace, pod).status.containerStatuses?.[0]?.containerID?.split('//')[1]
  const pid = id && readdirSync('/proc').find(name => /^\d+$/.test(name) && read(`/proc/${name}/cgroup`).includes(id))
  if (!pid) throw new Error(`Cannot find a process of pod "${pod}"`)
  return ['nsenter', '--target', pid, '--net']
}

/** Executes such a program, as to drop or refuse packets there, and answers what it said. */
export function inNetworkOf (namespace: string, pod: string, argv: string[]): string {
  return execFileSync('env', [...enterNetworkOf(namespace, pod), ...argv], { encoding: 'utf8' })
}

/** Command lines of all processes in the ephemeral containers of a pod, as the host of the lab sees them. */
export function containerProcesses (namespace: string, pod: string): string[] {
  const ids = (readPod(namespace, pod).status.ephemeralContainerStatuses ?? [])
    .map(({ containerID }) => containerID?.split('//')[1]).filter(id => id !== undefined)
  return readdirSync('/proc').filter(name => /^\d+$/.test(name))
    .filter(name => { const cgroup = read(`/proc/${name}/cgroup`); return ids.some(id => cgroup.includes(id)) })
    .map(name => read(`/proc/${name}/cmdline`).replaceAll('\0', ' ').trim())
    .filter(Boolean)
}

/** What runs there beside the runner itself. */
export const toolProcesses = (namespace: string, pod: string): string[] =>
  containerProcesses(namespace, pod).filter(command => !/^\S*runner (hold|serve)/.test(command))

interface UntilOptions { seconds: number, channelsToo?: boolean }

/** Milliseconds until nothing but holders and channels is left in the pod's containers of ours. */
export async function untilToolsEnded (namespace: string, pod: string, options: UntilOptions): Promise<number> {
  const { seconds, channelsToo = false } = options
  const start = performance.now()
  for (;;) {
    const left = channelsToo
      ? containerProcesses(namespace, pod).filter(command => !/^\S*runner hold/.test(command))
      : toolProcesses(namespace, pod)
    if (left.length === 0) return performance.now() - start
    if (performance.now() - start > seconds * 1000) throw new Error(`Still running in ${pod} after ${seconds} s: ${left.join('; ')}`)
    await delay(50)
  }
}
