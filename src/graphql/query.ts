import { GraphQLID, GraphQLInputObjectType, GraphQLNonNull, GraphQLObjectType, GraphQLString, type GraphQLFieldConfig } from 'graphql'
import type { Static, TObject } from 'typebox'
import { CapabilitiesView } from '#core/capabilities.ts'
import { Whoami } from '#core/caller-views.ts'
import { checkInput } from '#core/check-input.ts'
import { DiagnosticView, showDiagnostic } from '#core/diagnostic-view.ts'
import { JobFilterInput, RunFilterInput, SessionFilterInput, TargetFilterInput, toJobFilter, toRunFilter, toSessionFilter } from '#core/filters.ts'
import { JobSummary } from '#core/job.ts'
import { parseLabelSelector } from '#core/label-selector.ts'
import type { Page, PageRequest } from '#core/page.ts'
import { Artifact, Run } from '#core/run.ts'
import { Id, Namespace } from '#core/schema.ts'
import { Session } from '#core/session.ts'
import { showTarget, TargetPod } from '#core/target-pod.ts'
import { connect, connectArray, connectionOf, pageArguments, type PageArguments } from './connection.ts'
import type { Context } from './context.ts'
import type { Types } from './from-schema.ts'
import { withoutNulls } from './without-nulls.ts'

type Root = GraphQLFieldConfig<unknown, Context>

/** GraphQL enforces no pattern: ids and names pass the same gate as in REST before they reach anything. */
export const idOf = (args: { id: string }): string => checkInput(Id, args.id, '/id')
const namespaceOf = ({ namespace }: { namespace?: string | null }) => namespace == null ? null : checkInput(Namespace, namespace, '/namespace')

const one = (types: Types<Context>, schema: TObject, name: string, read: (context: Context, id: string) => Promise<unknown>): Root => ({
  type: types.object(schema, name),
  description: 'By its id; EPH_NOT_FOUND also where the caller may not see it',
  args: { id: { type: new GraphQLNonNull(GraphQLID), description: 'Its id' } },
  resolve: async (_source, args: { id: string }, context) => read(context, idOf(args))
})

interface List<F extends TObject> {
  description: string
  schema: TObject
  name: string
  filter: F
  /** The name of the list in REST: the cursors of both are the same. */
  operationId: string
  read (context: Context, filter: Static<F>, page: PageRequest): Promise<Page<{ id: string }>>
}

function many<F extends TObject> (types: Types<Context>, { description, schema, name, filter, operationId, read }: List<F>): Root {
  const inputName = `${name}Filter`
  return {
    type: connectionOf(types.object(schema, name)),
    description,
    args: {
      filter: {
        type: new GraphQLInputObjectType({ name: inputName, fields: () => types.inputFields(filter, inputName) }),
        description: 'Repeated values are alternatives, different fields must all hold'
      },
      ...pageArguments()
    },
    resolve: async (_source, args: PageArguments & { filter?: unknown }, context) => {
      const asked = checkInput(filter, withoutNulls(args.filter ?? {}), '/filter')
      return connect(operationId, asked, args, page => read(context, asked, page))
    }
  }
}

export function queryType (types: Types<Context>): GraphQLObjectType {
  const named = { namespace: { type: GraphQLString, description: 'Name of a namespace' } }
  return new GraphQLObjectType<unknown, Context>({
    name: 'Query',
    fields: {
      whoami: {
        type: new GraphQLNonNull(types.object(Whoami, 'Whoami')),
        description: 'Who the caller is and what he may do',
        args: named,
        async resolve (_source, args, { caller, useCases, requestsPerMinute }) {
          const { identity, rights, quotas } = await useCases.whoami(caller, namespaceOf(args))
          return { ...identity, rights, quotas: { requestsPerMinute, ...quotas } }
        }
      },
      capabilities: {
        type: new GraphQLNonNull(types.object(CapabilitiesView, 'Capabilities')),
        description: 'What works in this cluster, and what our own account lacks',
        resolve: (_source, _args, { caller, useCases }) => useCases.capabilities(caller)
      },
      targets: {
        type: connectionOf(types.object(TargetPod, 'TargetPod')),
        description: 'Pods of a namespace, and what could be launched in them',
        args: {
          ...types.inputFields(TargetFilterInput, 'Target'),
          namespace: { ...named.namespace, type: new GraphQLNonNull(GraphQLString) },
          ...pageArguments()
        },
        async resolve (_source, { first, after, ...args }: PageArguments & { namespace: string }, { caller, useCases }) {
          const { labelSelector = null, q = null } = checkInput(TargetFilterInput, withoutNulls(args))
          if (labelSelector !== null) parseLabelSelector(labelSelector)
          const found = await useCases.targets(caller, { namespace: args.namespace, labelSelector, q })
          return connectArray('listTargets', args, found.map(showTarget), { first, after })
        }
      },
      diagnostics: {
        type: connectionOf(types.object(DiagnosticView, 'Diagnostic')),
        description: 'The catalogue',
        args: { ...named, ...pageArguments() },
        async resolve (_source, { first, after, ...named }: PageArguments & { namespace?: string | null }, { caller, useCases }) {
          const found = await useCases.diagnostics(caller, namespaceOf(named))
          return connectArray('listDiagnostics', named, found.map(({ diagnostic, allowed }) => showDiagnostic(diagnostic, allowed)), { first, after })
        }
      },
      jobs: many(types, {
        description: 'Jobs, newest first',
        schema: JobSummary,
        name: 'Job',
        filter: JobFilterInput,
        operationId: 'listJobs',
        read: ({ caller, useCases }, filter, page) => useCases.jobs(caller, toJobFilter(filter), page)
      }),
      job: one(types, JobSummary, 'Job', ({ caller, useCases }, id) => useCases.job(caller, id)),
      sessions: many(types, {
        description: 'Our ephemeral containers, newest first',
        schema: Session,
        name: 'Session',
        filter: SessionFilterInput,
        operationId: 'listSessions',
        read: ({ caller, useCases }, filter, page) => useCases.sessions(caller, toSessionFilter(filter), page)
      }),
      session: one(types, Session, 'Session', ({ caller, useCases }, id) => useCases.session(caller, id)),
      runs: many(types, {
        description: 'What was executed in which pod, newest first',
        schema: Run,
        name: 'Run',
        filter: RunFilterInput,
        operationId: 'listRuns',
        read: ({ caller, useCases }, filter, page) => useCases.runs(caller, toRunFilter(filter), page)
      }),
      run: one(types, Run, 'Run', ({ caller, useCases }, id) => useCases.run(caller, id)),
      artifacts: many(types, {
        description: 'Stored streams, newest first',
        schema: Artifact,
        name: 'Artifact',
        filter: RunFilterInput,
        operationId: 'listArtifacts',
        read: ({ caller, useCases }, filter, page) => useCases.artifacts(caller, toRunFilter(filter), page)
      }),
      artifact: one(types, Artifact, 'Artifact', ({ caller, useCases }, id) => useCases.artifact(caller, id))
    }
  })
}
