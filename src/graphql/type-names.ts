import { Type, type TSchema } from 'typebox'
import { Address, NamedObject } from '#core/address.ts'
import { CapabilitiesView } from '#core/capabilities.ts'
import { NamespaceRights, Whoami } from '#core/caller-views.ts'
import { DiagnosticView } from '#core/diagnostic-view.ts'
import { Evidence, Finding, severities, verdicts } from '#core/finding.ts'
import { JobError, JobPod, jobStates, JobSummary, Owner, PodCounts } from '#core/job.ts'
import { endCauses, truncationReasons } from '#core/outcome.ts'
import { Requester } from '#core/principal.ts'
import { profileNames } from '#core/profile.ts'
import { Artifact, ArtifactLink, Completeness, Run, Stream } from '#core/run.ts'
import { Session } from '#core/session.ts'
import { PodSnapshot, workloadKinds } from '#core/target.ts'
import { TargetPod } from '#core/target-pod.ts'

export const JobEvent = Type.Object({
  seq: Type.Integer({ description: 'Number of the event in its job, from 1; of queue, which is not kept, that of the event before' }),
  type: Type.String({ description: 'job, pod, run, finding, artifact, queue, output, packet, end; more may come' }),
  data: Type.Unknown({ description: 'What happened' }),
  at: Type.String({ format: 'date-time', description: 'When' })
})

/** Types that callers meet by name. */
export const typeNames: ReadonlyMap<TSchema, string> = new Map<TSchema, string>([
  [Address, 'Address'],
  [Artifact, 'Artifact'],
  [ArtifactLink, 'ArtifactLink'],
  [CapabilitiesView, 'Capabilities'],
  [Completeness, 'Completeness'],
  [DiagnosticView, 'Diagnostic'],
  [Evidence, 'Evidence'],
  [Finding, 'Finding'],
  [JobError, 'JobError'],
  [JobEvent, 'JobEvent'],
  [JobPod, 'JobPod'],
  [JobSummary, 'Job'],
  [NamedObject, 'NamedObject'],
  [NamespaceRights, 'NamespaceRights'],
  [Owner, 'Owner'],
  [PodCounts, 'PodCounts'],
  [PodSnapshot, 'PodSnapshot'],
  [Requester, 'Requester'],
  [Run, 'Run'],
  [Session, 'Session'],
  [Stream, 'Stream'],
  [TargetPod, 'TargetPod'],
  [Whoami, 'Whoami'],
  [Type.Enum(endCauses, { description: 'Why a run ended' }), 'EndCause'],
  [Type.Enum(jobStates, { description: 'Whether it could be executed' }), 'JobState'],
  [Type.Enum(profileNames, { description: 'Rights of a container of ours' }), 'Profile'],
  [Type.Enum(Session.properties.state.enum, { description: 'closed: the container has ended' }), 'SessionState'],
  [Type.Enum(severities, { description: 'error makes the verdict fail, unknown inconclusive, warning warn' }), 'Severity'],
  [Type.Enum(truncationReasons, { description: 'Why a run is truncated' }), 'TruncationReason'],
  [Type.Enum(verdicts, { description: 'What was found' }), 'Verdict'],
  [Type.Enum(workloadKinds, { description: 'Kind of a workload' }), 'WorkloadKind'],
  [Type.Enum(['interactive', 'automatic'], { description: 'interactive goes before automatic' }), 'Priority'],
  [Type.Enum(['no', 'later', 'now'], { description: 'Whether launching again may help' }), 'Retryable'],
  [Type.Enum(['none', 'unknown', 'done'], { description: 'What may have been left in the pod' }), 'Effect'],
  [Type.Enum(['stdout', 'stderr'], { description: 'An output of a run' }), 'StreamName']
])
