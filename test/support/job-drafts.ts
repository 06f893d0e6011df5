import { randomUUID } from 'node:crypto'
import { v7 as uuidv7 } from 'uuid'
import type { Finding, Severity } from '#core/finding.ts'
import { verdictOf } from '#core/finding.ts'
import type { DraftPod, JobDraft, PodResult } from '#core/ports/storage.ts'
import type { Principal } from '#core/principal.ts'
import type { PodSummary } from '#core/target.ts'
import { jobError } from '../../src/storage/decide-job.ts'
import { examplePod } from './recorded-probe.ts'

export const principalOf = (username: string, actor: string | null = null): Principal =>
  ({ username, uid: `uid-${username}`, groups: ['staff'], authMethod: 'kubernetes', actor, extra: { scopes: ['all'] } })

export const draftPod = (pod: Partial<PodSummary> = {}, error: DraftPod['error'] = null): DraftPod =>
  ({ id: uuidv7(), pod: examplePod({ uid: randomUUID(), ...pod }), targetContainer: 'app', error })

export const refusal = jobError('EPH_POD_NOT_RUNNING', 'Cannot look into pod "web": it is pending')

/** A job as `submit` hands it to the store; only what a test cares about has to be said. */
export function draftJob ({ username = 'ada', ...rest }: Partial<JobDraft> & { username?: string } = {}): JobDraft {
  const id = uuidv7()
  const principal = rest.principal ?? principalOf(username)
  const namespace = rest.pods?.[0]?.pod.namespace ?? 'shop'
  return {
    id,
    principal,
    diagnostic: 'dns-lookup',
    diagnosticVersion: '1',
    retrySafe: true,
    namespace,
    target: { namespace, pod: 'web' },
    params: { names: ['orders.shop'] },
    reason: null,
    labels: {},
    image: 'toolbox',
    priority: 'interactive',
    timeoutSeconds: 30,
    startWithinSeconds: 300,
    matched: rest.pods?.length ?? 1,
    rule: 'the named pod',
    pods: [draftPod()],
    captures: false,
    sharing: null,
    idempotency: null,
    audit: { action: 'launch', outcome: 'allowed', principal, namespace, object: `job ${id}`, code: null, detail: {} },
    ...rest
  }
}

export const findingOf = (code: string, severity: Severity, pod = 'web', rest: Partial<Finding> = {}): Finding => ({
  code, severity, message: `Found ${code}`, data: {}, pods: [pod], count: 1, diagnostic: 'dns-lookup', evidence: [], remedy: 'Look there', ...rest
})

/** A pod that was measured. */
export const measured = (...findings: Finding[]): PodResult =>
  ({ state: 'succeeded', verdict: verdictOf(findings), error: null, report: { answers: findings.length }, findings })

export const failed: PodResult =
  { state: 'failed', verdict: null, error: jobError('EPH_TOOL_KILLED', 'Cannot finish: dig was killed'), report: null, findings: [] }
