import type { Static, TObject } from 'typebox'
import type { FieldError } from './errors.ts'
import type { JudgedFinding, RawFinding, Severity } from './finding.ts'
import type { Probe } from './probe.ts'
import type { ProfileName } from './profile.ts'
import type { Reading } from './reading.ts'

/** What a code of `judge` stands for; its texts are sentences without a full stop, for people who did not write the diagnostic. */
export interface FindingDefinition {
  /** Decides the verdict. One code has one severity: what is worse in some cases is another code. */
  severity: Severity
  title: string
  /** What it says about the network, and how sure that is. */
  meaning: string
  /** What usually helps. */
  remedy: string
}

/**
 * A diagnostic is data and two functions; everything else (routes, OpenAPI, GraphQL, docs, validation) follows from it. Schemas use
 * objects, arrays, scalars and enums, and no union but with null; every field is described. No code or field ever gets another meaning.
 */
export interface Diagnostic<P extends TObject = TObject, R extends TObject = TObject, C extends string = string> {
  /** A noun; the name of its file. */
  name: string
  /** Grows when the same network would get another report or other findings. */
  version: string
  title: string
  summary: string
  /** What people say when they need it. */
  symptoms: string[]
  /** In order of preference: preflight takes the first that is admitted. */
  profiles: readonly ProfileName[]
  /** Narrows `profiles` where it depends on the parameters. */
  profilesFor?: (params: Static<P>) => readonly ProfileName[]
  /** The right on ephemera.dev that launching takes. */
  right: 'jobs' | 'captures' | 'commands'
  /** Whether what it stores may hold payload of the application. */
  payload: boolean
  /** Whether a second attempt after a lost connection does no harm. */
  retrySafe: boolean
  /** Whether it needs to see the processes of the target container; only with profile restricted, as those processes then see ours. */
  sharesProcesses: boolean
  typicalSeconds: number
  /** Parameters that have a default may be left out. */
  examples: { title: string, params: Partial<Static<P>> }[]
  /** Every text has a pattern, every number and array its bounds: values go into argv as they are. */
  params: P
  /** What no schema without unions can say, as parameters that contradict each other; pointers begin with /params. Pure. */
  contradictions?: (params: Static<P>) => FieldError[]
  /**
   * What the parameters make it read of the API server, in the name of the caller. Asked before a job exists, where named objects must also
   * be there, and at dispatch again; `namespace`: that of the pod. Includes what its steps will read.
   */
  reads?: (params: Static<P>, namespace: string) => Reading[]
  /** Other diagnostics that it measures with: none may need a right, a profile or a care that this one does not have. */
  steps?: readonly string[]
  report: R
  findings: Record<C, FindingDefinition>
  /** How long the whole measurement may take where the caller names no timeoutSeconds. */
  timeoutSecondsFor: (params: Static<P>) => number
  /** Facts with units, from what tools said. Throws EPH_OUTPUT_UNREADABLE where it cannot read that; never guesses. */
  measure (params: Static<P>, probe: Probe): Promise<Static<R>>
  /** Pure: what the facts mean, each finding with the run, line or packet where it can be seen. */
  judge (report: Static<R>, params: Static<P>): ((RawFinding & { code: C }) | JudgedFinding)[]
}

/** As the engine handles it: parameters and report are what the schemas admitted. */
export interface AnyDiagnostic extends Omit<Diagnostic, 'measure' | 'judge' | 'profilesFor' | 'contradictions' | 'reads' | 'timeoutSecondsFor' | 'examples'> {
  examples: { title: string, params: Record<string, unknown> }[]
  profilesFor?: (params: Record<string, unknown>) => readonly ProfileName[]
  contradictions?: (params: Record<string, unknown>) => FieldError[]
  reads?: (params: Record<string, unknown>, namespace: string) => Reading[]
  timeoutSecondsFor: (params: Record<string, unknown>) => number
  measure (params: Record<string, unknown>, probe: Probe): Promise<Record<string, unknown>>
  judge (report: Record<string, unknown>, params: Record<string, unknown>): RawFinding[]
}

/** Diagnostics by name; an argument of the application, so that tests bring their own. */
export type Catalogue = ReadonlyMap<string, AnyDiagnostic>

/** Types a definition by its own schemas, and hands it on as the engine handles it. */
export function defineDiagnostic<P extends TObject, R extends TObject, C extends string> (diagnostic: Diagnostic<P, R, C>): AnyDiagnostic {
  // The parameters that reach `measure` and `judge` have passed checkParams, so the erased types are the declared ones.
  return diagnostic as unknown as AnyDiagnostic
}

export function profilesOf (diagnostic: AnyDiagnostic, params: Record<string, unknown>): readonly ProfileName[] {
  return diagnostic.profilesFor?.(params) ?? diagnostic.profiles
}
