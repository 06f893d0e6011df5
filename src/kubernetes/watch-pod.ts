import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { V1Pod } from '@kubernetes/client-node'
import { asProblem } from '#core/errors.ts'
import type { Api } from './api.ts'
import { checkNamespace, checkObject } from './names.ts'

const restartMs = 1000

interface PodEvent { type: string, object: V1Pod }

/**
 * Calls back with each state of a pod from the present one on, until the signal; with null when it was deleted. Starts again when the
 * watch ends, which the API server does as it likes; `failed` hears why. Never rejects.
 */
export async function watchPod (
  api: Api, namespace: string, name: string, seen: (pod: V1Pod | null) => void, failed: (error: unknown) => void, signal: AbortSignal
): Promise<void> {
  const path = `/api/v1/namespaces/${checkNamespace(namespace)}/pods`
  const query = { watch: 'true', fieldSelector: `metadata.name=${checkObject(name)}`, timeoutSeconds: '300' }
  while (!signal.aborted) {
    let pauseMs = restartMs
    try {
      const body = await api.stream(`watch pod "${namespace}/${name}"`, path, query, signal)
      for await (const line of createInterface(Readable.fromWeb(body))) {
        const { type, object } = JSON.parse(line) as PodEvent
        if (type === 'ADDED' || type === 'MODIFIED') seen(object)
        else if (type === 'DELETED') seen(null)
      }
    } catch (error) {
      if (!signal.aborted) failed(error)
      pauseMs = Math.max(restartMs, (asProblem(error).retryAfterSeconds ?? 0) * 1000)
    }
    await sleep(pauseMs, undefined, { signal }).catch(() => {}) // only the signal ends it early, and then the loop ends
  }
}
