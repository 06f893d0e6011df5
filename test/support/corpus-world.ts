import { pino } from 'pino'
import type { Test } from 'tap'
import type { AnyDiagnostic, Catalogue } from '#core/diagnostic.ts'
import type { RunRequest } from '#core/ports/channel.ts'
import { createUseCases } from '#jobs/create-use-cases.ts'
import { createWorker } from '#jobs/worker.ts'
import { toCamel } from '../../src/graphql/identifiers.ts'
import { build } from './build-app.ts'
import type { Play } from './fake-channels.ts'
import { createFakePorts } from './fake-ports.ts'
import { examplePod, exampleService } from './recorded-probe.ts'
import { recordedText } from './recorded.ts'
import { principal } from './samples.ts'

/** What tools say, so that measurements go on to their next one. */
const outputs: Record<string, string> = { dig: recordedText('dig-answer.txt') }
const errors: Record<string, string> = { nc: recordedText('nc-open.stderr.txt') }

const play: Play = async tool => {
  tool.start()
  const [name = ''] = tool.request.argv
  await tool.say('stdout', outputs[name] ?? 'answer\n')
  if (errors[name]) await tool.say('stderr', errors[name])
  tool.end()
}

export type Transport = 'http' | 'graphql'
/** Answers the id of the job, or null where the request was refused; throws where it is neither. */
type Launch = (diagnostic: AnyDiagnostic, params: Record<string, unknown>) => Promise<string | null>

const mutation = 'mutation ($input: LaunchJobInput!) { launchJob(input: $input) { id } }'
const target = { namespace: 'shop', pod: 'web' }

/** The whole service but for its adapters: real transports, gate, use cases and worker, with a spy in place of the channel. */
export async function corpusWorld (t: Test, catalogue: Catalogue) {
  const { context, channels } = createFakePorts(catalogue)
  channels.play = play
  // Whatever objects are named, they are there.
  const { pod } = context.reader
  context.reader.pod = async (namespace, name) => await pod(namespace, name) ?? examplePod({ namespace, name })
  context.reader.service = async (namespace, name) => exampleService({ namespace, name })
  const useCases = createUseCases(context)
  const worker = createWorker(context)
  await worker.start()
  t.teardown(() => worker.stop(0))
  const { call } = await build(t, useCases, { catalogue, log: pino({ level: 'silent' }), requestsPerMinute: Infinity })
  const never = new AbortController().signal

  const post = async (url: string, body: object): Promise<{ status: number, body: Record<string, unknown> }> => {
    const answer = await call({ method: 'POST', url, headers: { 'content-type': 'application/json' }, payload: JSON.stringify(body) })
    return { status: answer.statusCode, body: answer.json() }
  }

  const launch: Record<Transport, Launch> = {
    async http ({ name }, params) {
      const { status, body } = await post('/v1/jobs', { diagnostic: name, target, params })
      if (status === 202) return body.id as string
      if (status === 400 || status === 422) return null
      throw new Error(`${status} ${JSON.stringify(body)}`)
    },
    async graphql ({ name }, params) {
      const variables = { input: { target, diagnostic: { [toCamel(name)]: params } } }
      const { status, body } = await post('/graphql', { query: mutation, variables })
      const { data, errors } = body as { data?: { launchJob: { id: string } | null } | null, errors?: [{ extensions: { code: string } }] }
      if (data?.launchJob) return data.launchJob.id
      if (status < 500 && ['EPH_PARAMS_INVALID', 'EPH_INVALID_REQUEST'].includes(errors?.[0].extensions.code ?? '')) return null
      throw new Error(`${status} ${JSON.stringify(body)}`)
    }
  }

  /** Launches; all that it brought to the channel, or null where it was refused. */
  async function send (transport: Transport, diagnostic: AnyDiagnostic, params: Record<string, unknown>): Promise<RunRequest[] | null> {
    const before = channels.requests.length
    const id = await launch[transport](diagnostic, params)
    if (id === null) {
      if (channels.requests.length > before) throw new Error(`${diagnostic.name} was refused and reached the channel`)
      return null
    }
    await useCases.wait(principal, id, { seconds: 10, signal: never })
    return channels.requests.slice(before)
  }
  return { send }
}
