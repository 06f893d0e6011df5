import { GraphQLID, GraphQLInputObjectType, GraphQLNonNull, GraphQLObjectType, GraphQLString, type GraphQLFieldConfig } from 'graphql'
import { Type, type TObject } from 'typebox'
import { checkInput } from '#core/check-input.ts'
import { demandSupported } from '#core/demand-supported.ts'
import type { Catalogue } from '#core/diagnostic.ts'
import { checkIdempotencyKey } from '#core/idempotency-key.ts'
import { JobRequest, JobSummary } from '#core/job.ts'
import { Session } from '#core/session.ts'
import type { Context } from './context.ts'
import { diagnosticInput, readDiagnostic } from './diagnostic-types.ts'
import type { Types } from './from-schema.ts'
import { idOf } from './query.ts'
import { withoutNulls } from './without-nulls.ts'

/** The body of POST /v1/jobs, save that diagnostic and parameters are one. */
const LaunchFields = Type.Omit(JobRequest, ['diagnostic', 'params'])

interface LaunchArguments { input: { diagnostic: Record<string, unknown>, idempotencyKey?: string | null } & Record<string, unknown> }

export function mutationType (catalogue: Catalogue, types: Types<Context>): GraphQLObjectType {
  const LaunchJobInput = new GraphQLInputObjectType({
    name: 'LaunchJobInput',
    fields: () => ({
      diagnostic: { type: new GraphQLNonNull(diagnosticInput(catalogue, types)), description: 'What to measure, with its parameters' },
      ...types.inputFields(LaunchFields, 'LaunchJobInput'),
      idempotencyKey: { type: GraphQLString, description: 'Makes repeating harmless: the same key and input answer the same job' }
    })
  })
  const act = (schema: TObject, name: string, description: string, perform: (context: Context, id: string) => Promise<unknown>) => ({
    type: new GraphQLNonNull(types.object(schema, name)),
    description,
    args: { id: { type: new GraphQLNonNull(GraphQLID), description: 'Its id' } },
    resolve: async (_source: unknown, args: { id: string }, context: Context) => perform(context, idOf(args))
  })
  const launchJob: GraphQLFieldConfig<unknown, Context> = {
    type: new GraphQLNonNull(types.object(JobSummary, 'Job')),
    description: 'Launch a diagnostic',
    args: { input: { type: new GraphQLNonNull(LaunchJobInput), description: 'As the body of POST /v1/jobs' } },
    async resolve (_source, { input }: LaunchArguments, { caller, useCases }) {
      const { diagnostic, idempotencyKey, ...rest } = input
      const request = checkInput(JobRequest, withoutNulls({ ...rest, ...readDiagnostic(catalogue, diagnostic) }))
      demandSupported(request)
      const key = idempotencyKey == null ? null : checkIdempotencyKey(idempotencyKey, '/idempotencyKey')
      const { job } = await useCases.submit(caller, request, { idempotencyKey: key })
      return job
    }
  }
  return new GraphQLObjectType<unknown, Context>({
    name: 'Mutation',
    fields: {
      launchJob,
      cancelJob: act(JobSummary, 'Job', 'Cancel a job', ({ caller, useCases }, id) => useCases.cancel(caller, id)),
      finishJob: act(JobSummary, 'Job', 'End a capture now and judge what it has', ({ caller, useCases }, id) => useCases.finish(caller, id)),
      closeSession: act(Session, 'Session', 'End the holder of a session', ({ caller, useCases }, id) => useCases.closeSession(caller, id))
    }
  })
}
