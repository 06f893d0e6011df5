import { spawn } from 'node:child_process'
import { open } from 'node:fs/promises'

export interface Place { namespace: string, pod: string, container: string }

/** kubectl as its users call it: a process per command. */
export function createKubectl ({ path, kubeconfig }: { path: string, kubeconfig: string }) {
  const base = ['--kubeconfig', kubeconfig]

  function run (args: string[], stdout: 'ignore' | number = 'ignore'): Promise<void> {
    return new Promise((resolve, reject) => {
      const child = spawn(path, [...base, ...args], { stdio: ['ignore', stdout, 'pipe'] })
      let stderr = ''
      child.stderr?.on('data', part => { stderr = (stderr + part).slice(-2000) })
      child.on('error', reject)
      child.on('close', code => code === 0 ? resolve() : reject(new Error(`kubectl ${args.join(' ')} ended with ${code}: ${stderr}`)))
    })
  }

  const execArgs = ({ namespace, pod, container }: Place, argv: string[]) => ['exec', '-n', namespace, pod, '-c', container, '--', ...argv]

  return {
    run,
    exec: (place: Place, argv: string[]) => run(execArgs(place, argv)),
    debug: ({ namespace, pod }: { namespace: string, pod: string }, image: string, argv: string[]) => run([
      'debug', '-n', namespace, pod, '-i', '--quiet', '--profile=restricted', '--image-pull-policy=IfNotPresent', `--image=${image}`, '--', ...argv
    ]),
    /** `kubectl exec … > file` */
    async execInto (place: Place, argv: string[], file: string): Promise<void> {
      // kubectl gets the file itself, as from a shell: a pipe through this process would slow it down.
      const sink = await open(file, 'w')
      try {
        await run(execArgs(place, argv), sink.fd)
      } finally {
        await sink.close()
      }
    },
    /** `count` commands, `parallel` at a time, as xargs -P does. */
    async many (place: Place, argv: string[], count: number, parallel: number): Promise<void> {
      let left = count
      const worker = async () => { while (left-- > 0) await run(execArgs(place, argv)) }
      await Promise.all(Array.from({ length: parallel }, worker))
    }
  }
}
export type Kubectl = ReturnType<typeof createKubectl>
