import type { TSchema } from 'typebox'
import { Finding } from '#core/finding.ts'
import { Job, JobError, JobPod, JobRequest, JobSummary, PodCounts } from '#core/job.ts'
import { PreflightPod } from '#core/preflight.ts'
import { Requester } from '#core/principal.ts'
import { ProblemDetails } from '#core/problem-details.ts'
import { Artifact, ArtifactLink, Completeness, Run, Stream } from '#core/run.ts'
import { Session } from '#core/session.ts'
import { PodSnapshot, Target } from '#core/target.ts'

/** Schemas that callers meet by name; all others stand where they are used. */
const named: Record<string, TSchema> = {
  ProblemDetails,
  Job,
  JobSummary,
  JobPod,
  JobRequest,
  JobError,
  PodCounts,
  Finding,
  PreflightPod,
  Requester,
  Run,
  Stream,
  ArtifactLink,
  Artifact,
  Completeness,
  Session,
  PodSnapshot,
  Target
}

const names = new Map(Object.entries(named).map(([name, schema]) => [JSON.stringify(schema), name]))

/** Puts a reference in the place of every named schema in a document, and the schemas themselves under components. */
export function nameSchemas<D extends { components?: object }> (document: D): D {
  const replace = (value: unknown, within: string | null): unknown => {
    if (Array.isArray(value)) return value.map(item => replace(item, null))
    if (value === null || typeof value !== 'object') return value
    const name = names.get(JSON.stringify(value))
    if (name !== undefined && name !== within) return { $ref: `#/components/schemas/${name}` }
    return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, replace(part, null)]))
  }
  const schemas = Object.fromEntries(Object.entries(named).map(([name, schema]) =>
    [name, replace(JSON.parse(JSON.stringify(schema)), name)]))
  const replaced = replace(document, null) as D
  return { ...replaced, components: { ...replaced.components, schemas } }
}
