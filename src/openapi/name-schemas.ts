import type { TSchema } from 'typebox'
import { CapabilitiesView } from '#core/capabilities.ts'
import { NamespaceRights, Whoami } from '#core/caller-views.ts'
import { DiagnosticView } from '#core/diagnostic-view.ts'
import { Evidence, Finding } from '#core/finding.ts'
import { Job, JobError, JobPod, JobRequest, JobSummary, Owner, PodCounts } from '#core/job.ts'
import { Preflight, PreflightPod } from '#core/preflight.ts'
import { Requester } from '#core/principal.ts'
import { ProblemDetails } from '#core/problem-details.ts'
import { Artifact, ArtifactLink, Completeness, Run, Stream } from '#core/run.ts'
import { Session } from '#core/session.ts'
import { PodSnapshot, Target } from '#core/target.ts'
import { TargetPod } from '#core/target-pod.ts'

/** Schemas that callers meet by name; all others stand where they are used. */
const named: Record<string, TSchema> = {
  ProblemDetails,
  Job,
  JobSummary,
  JobPod,
  JobRequest,
  JobError,
  Owner,
  PodCounts,
  Finding,
  Evidence,
  Preflight,
  PreflightPod,
  Requester,
  Run,
  Stream,
  ArtifactLink,
  Artifact,
  Completeness,
  Session,
  PodSnapshot,
  Target,
  TargetPod,
  Diagnostic: DiagnosticView,
  Whoami,
  NamespaceRights,
  Capabilities: CapabilitiesView
}

const names = new Map(Object.entries(named).map(([name, schema]) => [JSON.stringify(schema), name]))

/** Enums say what they are: code is generated from types, not from values. */
const typed = (schema: Record<string, unknown>) =>
  Array.isArray(schema.enum) && schema.enum.every(value => typeof value === 'string') ? { type: 'string', ...schema } : schema

/** A part of a route's schema with a reference in the place of every named schema. */
export function nameSchemas (part: unknown, within: string | null = null): unknown {
  if (Array.isArray(part)) return part.map(item => nameSchemas(item))
  if (part === null || typeof part !== 'object') return part
  const name = names.get(JSON.stringify(part))
  if (name !== undefined && name !== within) return { $ref: `#/components/schemas/${name}` }
  return typed(Object.fromEntries(Object.entries(part).map(([key, inner]) => [key, nameSchemas(inner)])))
}

/** The document with the named schemas themselves. */
export function addNamedSchemas<D extends { components?: object }> (document: D): D {
  const schemas = Object.fromEntries(Object.entries(named).map(([name, schema]) => [name, nameSchemas(schema, name)]))
  return { ...document, components: { ...document.components, schemas } }
}
