import { setTimeout as delay } from 'node:timers/promises'
import type { Service } from '../test/support/service.ts'
import type { Kubectl, Place } from './kubectl.ts'

const pauseMs = 1000

/** Before each measurement of either side: what the one before left to be done (containers tidied up, pages written) is nobody's cost. */
export const pause = () => delay(pauseMs)

/** What every benchmark works with. */
export interface World {
  service: Service
  /** Where the service's store has its objects as files, a folder for each artifact. */
  stored: string
  kubectl: Kubectl
  namespace: string
  toolbox: string
  rounds: number
  /** A running pod of the sample application that nobody has looked into. */
  freshPod (): Promise<string>
  say (text: string): void
}

interface MeasuredJob { pods: { items: { pod: string, session: { ephemeralContainer: string } | null }[] } }

/** The container of ours that a job used, for kubectl to exec into. */
export function placeOf (namespace: string, job: MeasuredJob): Place {
  const [measured] = job.pods.items
  if (!measured?.session) throw new Error('The job has no session')
  return { namespace, pod: measured.pod, container: measured.session.ephemeralContainer }
}
