import { GraphQLSchema, type GraphQLFieldConfig } from 'graphql'
import type { Catalogue } from '#core/diagnostic.ts'
import { JobPod, type Job } from '#core/job.ts'
import { ArtifactLink, Run } from '#core/run.ts'
import { connect, connectArray, connectionOf, pageArguments, type PageArguments } from './connection.ts'
import type { Context } from './context.ts'
import { asReport, reportUnion } from './diagnostic-types.ts'
import { createTypes, type Types } from './from-schema.ts'
import { callCost } from './limits.ts'
import { mutationType } from './mutation.ts'
import { queryType } from './query.ts'
import { Json } from './scalars.ts'
import { subscriptionType } from './subscription.ts'
import { typeNames } from './type-names.ts'

/** A pod as resolvers hand it on: its report is typed by the job's diagnostic. */
interface PodNode extends JobPod { id: string, jobDiagnostic: string }

/** Checked by whoever gives the node: graphql-js does not know the type of a source. */
const field = <Source>(
  config: Omit<GraphQLFieldConfig<Source, Context, PageArguments>, 'resolve'>,
  resolve: (source: Source, args: PageArguments, context: Context) => unknown
): GraphQLFieldConfig<unknown, Context> => ({ ...config, resolve } as unknown as GraphQLFieldConfig<unknown, Context>)

/** All of GraphQL follows from the schemas of core and of the catalogue; only what a schema cannot say stands here. */
export function createGraphqlSchema (catalogue: Catalogue): GraphQLSchema {
  const types: Types<Context> = createTypes<Context>(typeNames, {
    Job: () => ({
      pods: field<Job>(
        {
          type: connectionOf(types.object(JobPod, 'JobPod')), args: pageArguments(20), description: 'The pods it measures', extensions: { cost: callCost }
        },
        async (job, args, { caller, useCases }) => connect('listJobPods', { id: job.id }, args, async page => {
          const { items, nextCursor } = await useCases.jobPods(caller, job.id, page)
          return { items: items.map((pod): PodNode => ({ ...pod, jobDiagnostic: job.diagnostic })), nextCursor }
        })
      )
    }),
    JobPod: () => ({
      report: field<PodNode>({ type: report(), description: 'What was measured' }, pod => asReport(catalogue, pod.jobDiagnostic, pod.report)),
      reportJson: field<PodNode>({ type: Json, description: 'The same as REST says it' }, pod => pod.report),
      runs: field<PodNode>({ type: connectionOf(types.object(Run, 'Run')), args: pageArguments(20), description: 'Tools that ran, in order' },
        (pod, args) => connectArray('JobPod.runs', pod.id, pod.runs, args))
    }),
    Run: () => ({
      artifacts: field<Run>({ type: connectionOf(types.object(ArtifactLink, 'ArtifactLink')), args: pageArguments(5), description: 'Stored streams it produced' },
        (run, args) => connectArray('Run.artifacts', run.id, run.artifacts, args))
    })
  })
  let union: ReturnType<typeof reportUnion> | undefined
  const report = () => {
    union ??= reportUnion(catalogue, types)
    return union
  }
  return new GraphQLSchema({ query: queryType(types), mutation: mutationType(catalogue, types), subscription: subscriptionType(types) })
}
