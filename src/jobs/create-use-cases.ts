import { createCapabilities } from './capabilities.ts'
import type { Context } from './context.ts'
import { createArtifactReads } from './read-artifacts.ts'
import { createJobReads } from './read-jobs.ts'
import { createRunReads } from './read-runs.ts'
import { createSessionUses } from './sessions.ts'
import { createJobSteering } from './steer-jobs.ts'
import { createSubmit } from './submit.ts'
import { createSurvey } from './survey.ts'
import type { UseCases } from './use-cases.ts'

export const createUseCases = (context: Context): UseCases => ({
  ...createSubmit(context),
  ...createJobReads(context),
  ...createJobSteering(context),
  ...createRunReads(context),
  ...createArtifactReads(context),
  ...createSessionUses(context),
  ...createSurvey(context),
  ...createCapabilities(context)
})
