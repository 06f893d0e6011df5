import { GraphQLID, GraphQLNonNull, GraphQLObjectType } from 'graphql'
import { Type } from 'typebox'
import { checkInput } from '#core/check-input.ts'
import type { JobEvent as Event } from '#core/ports/storage.ts'
import type { Context } from './context.ts'
import type { Types } from './from-schema.ts'
import { idOf } from './query.ts'
import { Long } from './scalars.ts'
import { JobEvent } from './type-names.ts'

const Seq = Type.Integer({ minimum: 0 })

async function * asRoot (events: AsyncIterable<Event>): AsyncGenerator<{ jobEvents: Event }> {
  for await (const event of events) yield { jobEvents: event }
}

export function subscriptionType (types: Types<Context>): GraphQLObjectType {
  return new GraphQLObjectType<unknown, Context>({
    name: 'Subscription',
    fields: {
      jobEvents: {
        type: new GraphQLNonNull(types.object(JobEvent, 'JobEvent')),
        description: 'What happens to a job, from its first event or after a given one, until `end`',
        args: {
          id: { type: new GraphQLNonNull(GraphQLID), description: 'Id of the job' },
          after: { type: new GraphQLNonNull(Long), defaultValue: 0, description: 'seq of the last event that was seen' }
        },
        async subscribe (_source, args: { id: string, after: number }, { caller, useCases, signal }) {
          return asRoot(await useCases.events(caller, idOf(args), { afterSeq: checkInput(Seq, args.after, '/after'), signal }))
        }
      }
    }
  })
}
