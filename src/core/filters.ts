import { Type, type Static, type TSchema } from 'typebox'
import { Problem } from './errors.ts'
import { verdicts } from './finding.ts'
import { jobStates } from './job.ts'
import { parseLabelSelector } from './label-selector.ts'
import { Id, Namespace, ObjectName, Time, withoutControls } from './schema.ts'
import { Session } from './session.ts'
import { workloadPattern } from './target.ts'

const words = (description: string, maxLength = 253) =>
  Type.String({ minLength: 1, maxLength, pattern: withoutControls, description })

/** Repeated in a query: alternatives. */
const many = <T extends TSchema>(item: T, description: string) =>
  Type.Optional(Type.Array(item, { minItems: 1, maxItems: 50, description }))

const created = {
  createdAfter: Type.Optional(Type.String({ ...Time, description: 'Created at this time or later' })),
  createdBefore: Type.Optional(Type.String({ ...Time, description: 'Created before this time' }))
}

const namespace = many(Namespace, 'Namespaces of the pods')
const pod = many(ObjectName, 'Names of pods')
const podUid = many(words('UID of a pod'), 'UIDs of pods')
const node = many(ObjectName, 'Nodes of the pods')

export const JobFilterInput = Type.Object({
  namespace,
  pod,
  podUid,
  workload: many(Type.String({ pattern: workloadPattern, maxLength: 270, description: 'Kind and name' }), 'Workloads of the pods, as Deployment/web'),
  service: many(ObjectName, 'Services that were aimed at'),
  node,
  diagnostic: many(words('Name of a diagnostic', 63), 'Names of diagnostics'),
  state: many(Type.Enum(jobStates, { description: 'A state' }), 'States'),
  verdict: many(Type.Enum(verdicts, { description: 'A verdict' }), 'Verdicts'),
  finding: many(words('Code of a finding', 100), 'Codes of findings, as DNS_NXDOMAIN'),
  requestedBy: many(words('Name of a user', 500), 'Who launched it'),
  actor: many(words('Name of a portal', 500), 'Portals that acted for a user'),
  labelSelector: Type.Optional(words('Labels of the job, in Kubernetes syntax', 1024)),
  ...created,
  q: Type.Optional(words('Words in reason, target and findings', 200))
}, { additionalProperties: false, description: 'Repeated values are alternatives, different fields must all hold' })

export const SessionFilterInput = Type.Object({
  namespace,
  pod,
  podUid,
  node,
  state: many(Type.Enum(Session.properties.state.enum, { description: 'A state' }), 'States'),
  openedBy: many(words('Name of a user', 500), 'Who it was opened for'),
  ...created,
  activeAfter: Type.Optional(Type.String({ ...Time, description: 'In use at this time or later' })),
  activeBefore: Type.Optional(Type.String({ ...Time, description: 'In use before this time' }))
}, { additionalProperties: false, description: 'Repeated values are alternatives, different fields must all hold' })

export const RunFilterInput = Type.Object({
  namespace,
  jobId: many(Id, 'Jobs'),
  sessionId: many(Id, 'Sessions'),
  pod,
  podUid,
  diagnostic: many(words('Name of a diagnostic', 63), 'Names of diagnostics')
}, { additionalProperties: false, description: 'Repeated values are alternatives, different fields must all hold' })

export const TargetFilterInput = Type.Object({
  namespace: Type.Optional(Namespace),
  labelSelector: Type.Optional(words('Pods by label, in Kubernetes syntax', 1024)),
  q: Type.Optional(words('Part of a name', 200))
}, { additionalProperties: false })

type Times = 'createdAfter' | 'createdBefore' | 'activeAfter' | 'activeBefore'

/** Times in any offset, as the same moments in UTC. */
function toMoments (input: Partial<Record<Times, string>>): Partial<Record<Times, string>> {
  return Object.fromEntries((['createdAfter', 'createdBefore', 'activeAfter', 'activeBefore'] as const).flatMap(field => {
    const time = input[field]
    if (time === undefined) return []
    const moment = new Date(time)
    if (Number.isNaN(moment.getTime())) {
      throw new Problem('EPH_INVALID_REQUEST', `Cannot read ${field}: "${time}" is no time`, { errors: [{ pointer: `/query/${field}`, detail: 'is no time' }] })
    }
    return [[field, moment.toISOString()]]
  }))
}

export function toJobFilter ({ namespace = [], workload, labelSelector, ...rest }: Static<typeof JobFilterInput>) {
  return {
    ...rest,
    ...toMoments(rest),
    namespaces: namespace,
    ...(workload && {
      workload: workload.map(text => {
        const [kind = '', name = ''] = text.split('/')
        return { kind, name }
      })
    }),
    ...(labelSelector !== undefined && { labels: parseLabelSelector(labelSelector) })
  }
}

export function toSessionFilter ({ namespace = [], ...rest }: Static<typeof SessionFilterInput>) {
  return { ...rest, ...toMoments(rest), namespaces: namespace }
}

export function toRunFilter ({ namespace = [], ...rest }: Static<typeof RunFilterInput>) {
  return { ...rest, namespaces: namespace }
}
