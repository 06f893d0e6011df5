import { setTimeout as delay } from 'node:timers/promises'
import { Problem } from '#core/errors.ts'
import type { PodSummary } from '#core/target.ts'
import type { FakeTool } from '../support/fake-channels.ts'
import type { FakePorts } from '../support/fake-ports.ts'
import { createRandom } from './random.ts'

/** A tool that ran in a pod, as the pod saw it. */
export interface Execution {
  word: string
  podUid: string
  tool: string
  runId: string
  /** When it was sent, in milliseconds since the epoch. */
  sentAt: number
  stdout: string
  proven: boolean
}

interface Options { ports: FakePorts, seed: number, trace (line: string): void }

const fates = { ends: 10, slow: 6, lostBefore: 1, lostAfter: 2, cut: 1, killed: 1 }

/** Channels that fail by seed, to containers that end by seed, with tools that are lost, cut and killed by seed; answers what has run. */
export function playTools ({ ports: { channels, cluster }, seed, trace }: Options): Execution[] {
  const executions: Execution[] = []
  const counts = new Map<string, number>()
  const random = (name: string) => {
    const nth = (counts.get(name) ?? 0) + 1
    counts.set(name, nth)
    return createRandom(seed, `${name} ${nth}`)
  }
  const containerOf = ({ podUid, container }: { podUid: string, container: string }): PodSummary['ephemeral'][number] | undefined =>
    cluster.pods.find(({ uid }) => uid === podUid)?.ephemeral.find(({ name }) => name === container)

  channels.opening = async place => {
    const container = containerOf(place)
    if (!container) throw new Problem('EPH_CONTAINER_NOT_STARTED', 'Cannot open a channel: there is no such container')
    const fate = random(`open ${place.pod}`).weighed({ opens: 14, lost: 2, ends: 1 })
    if (container.running && fate === 'ends') {
      trace(`the container ${container.name.slice(-6)} of ${place.pod} ends`)
      Object.assign(container, { running: false, exitReason: 'Error' })
    }
    if (!container.running) throw new Problem('EPH_CONTAINER_NOT_STARTED', 'Cannot open a channel: the container has ended')
    if (fate === 'lost') throw new Problem('EPH_CHANNEL_LOST', 'Cannot open a channel: the connection was closed')
  }
  channels.channels.postMortem = async place => containerOf(place)?.running === false ? 'containerEnded' : 'unknown'

  channels.play = async (tool: FakeTool) => {
    const sentAt = Date.now()
    const { request: { argv: [name = '', word = ''], id: runId }, place: { pod, podUid } } = tool
    const draw = random(`tool ${word} ${pod} ${name}`)
    const fate = draw.weighed(fates)
    trace(`${name} ${word} in ${pod}, run ${runId.slice(-6)}: ${fate}`)
    await delay(draw.integer(0, 3))
    if (fate === 'lostBefore') return tool.lose()
    const stdout = `${draw.one(['good', 'bad'])} ${'x'.repeat(draw.integer(0, 200))}\n`
    const execution: Execution = { word, podUid, tool: name, runId, sentAt, stdout, proven: false }
    executions.push(execution)
    tool.start()
    if (name === 'tcpdump') await tool.say('stderr', 'listening on eth0\n')
    const half = draw.integer(0, stdout.length)
    await tool.say('stdout', stdout.slice(0, half))
    const stopped = fate === 'slow' ? await Promise.race([tool.stopped, delay(draw.integer(10, 120))]) : undefined
    if (stopped && stopped.cause !== 'finished') return tool.end({ endCause: stopped.cause, exitCode: null, signal: 'SIGTERM' })
    if (fate === 'lostAfter') return tool.lose()
    if (fate === 'killed') return tool.end({ exitCode: null, signal: 'SIGKILL' })
    if (fate === 'cut') return tool.end({ stdout: { bytes: stdout.length, sha256: '', dropped: 1, whole: false, proven: false } })
    await tool.say('stdout', stdout.slice(half))
    execution.proven = true
    tool.end({ endCause: stopped ? 'finished' : 'exited' })
  }
  return executions
}
