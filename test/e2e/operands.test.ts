import t from 'tap'
import { checkParams } from '#core/check-params.ts'
import { profilesOf } from '#core/diagnostic.ts'
import type { Channel, RunRequest } from '#core/ports/channel.ts'
import type { ProfileName } from '#core/profile.ts'
import { loadCatalogue } from '../../src/diagnostics/catalogue.ts'
import { findPod, labCluster, newContainer, openIn, runOn } from '../support/cluster.ts'
import { corpusPlaces, takes, type CorpusPlace } from '../support/corpus-places.ts'
import { corpusWorld } from '../support/corpus-world.ts'
import { watchedValues } from '../support/corpus.ts'
import { makeNamespace, makePod } from '../support/lab.ts'

/** A run that a value took part in, and the arguments that came of it. */
interface Case { value: string, profile: ProfileName, request: RunRequest, operands: string[] }

const atOnce = 12
const secondsEach = 15
/** What tools say when they understood where to go, but there is no way, or do not want to go to so many. */
const noWay = /unreachable|no route|not known|cannot assign|not supported|not permitted|No such device|no suitable address|(?:broad|multi)cast ping|ping broadcast/i
/** curl says no more than that it tried; what it took for no address would be a bad URL, or a name to be resolved. */
const tried = /^curl: \((?:7|28|56)\) /m
const misread = /usage:|invalid option|unrecognized option|unknown option|requires an argument|bad option|invalid argument: /i

/** Whether a tool took the operands for what they are: it says so itself, beside any echo of its own command line. */
function tookAsOperand ({ out, err }: { out: string, err: string }, operands: string[]): boolean {
  const said = [...out.split('\n'), ...err.split('\n')].filter(line => !line.startsWith('; <<>> ')).join('\n').toLowerCase()
  if (misread.test(said)) return false
  // tcpdump opens the device only when it has understood the filter, and says nothing more of that.
  return /listening on /.test(said) || noWay.test(said) || tried.test(said) || operands.every(operand => said.includes(operand.replace(/^@/, '').toLowerCase()))
}

const catalogue = await loadCatalogue()
const { send } = await corpusWorld(t, catalogue)

/** Every run that differs with the value, with the arguments in which it does. */
async function casesOf ({ diagnostic, good, paramsWith }: CorpusPlace): Promise<Case[]> {
  const runs: { value: string, request: RunRequest }[] = []
  for (const value of [...good, ...watchedValues.filter(value => takes(diagnostic, paramsWith(value)))]) {
    for (const request of await send('http', diagnostic, paramsWith(value)) ?? []) runs.push({ value, request })
  }
  const valuesOf = new Map<string, Set<string>>()
  for (const { value, request: { argv } } of runs) {
    for (const argument of argv) valuesOf.set(argument, (valuesOf.get(argument) ?? new Set()).add(value))
  }
  return runs.flatMap(({ value, request }) => {
    const operands = request.argv.filter(argument => valuesOf.get(argument)!.size === 1)
    const [profile] = profilesOf(diagnostic, checkParams(diagnostic, paramsWith(value)))
    return operands.length > 0 ? [{ value, profile: profile!, request, operands }] : []
  })
}

/** As the service would run it, but shortly where it only ends when it is stopped. */
function runAsAsked (channel: Channel, { argv, stdin, stopAfterSeconds }: RunRequest) {
  return runOn(channel, argv, { seconds: secondsEach, ...stdin && { stdin }, ...stopAfterSeconds !== undefined && { stopAfterSeconds: 1 } })
}

const cluster = labCluster(t)
const namespace = makeNamespace(t)
const pod = await findPod(cluster, namespace, makePod(namespace))
const opened = new Map<ProfileName, Promise<Channel>>()
function channelFor (profile: ProfileName): Promise<Channel> {
  const open = async () => (await openIn(cluster, await findPod(cluster, namespace, pod.name), newContainer('toolbox', profile))).channel
  const channel = opened.get(profile) ?? open()
  opened.set(profile, channel)
  return channel
}

t.test('what is no operand is seen as such', async t => {
  const channel = await channelFor('restricted')
  for (const [argv, operand] of [
    [['dig', '-r', '-t', 'A', '-f/etc/hosts'], '-f/etc/hosts'],
    [['dig', '-r', '+time=1', '+tries=1', '-t', 'A', '+short'], '+short'],
    [['nc', '-n', '-v', '-z', '-w', '1', '-k', '80'], '-k'],
    [['nc', '-n', '-v', '-z', '-w', '1', '-Y', '80'], '-Y']
  ] as const) t.notOk(tookAsOperand(await runOn(channel, [...argv], { seconds: 5 }), [operand]), argv.join(' '))
})

for (const place of corpusPlaces(catalogue).filter(({ words }) => words === null)) {
  t.test(`${place.name} is read as data by the real tool`, async t => {
    const cases = await casesOf(place)
    const tools = new Set<string>()
    let took = 0
    for (let from = 0; from < cases.length; from += atOnce) {
      await Promise.all(cases.slice(from, from + atOnce).map(async ({ value, profile, request, operands }) => {
        const said = await runAsAsked(await channelFor(profile), request)
        tools.add(request.argv[0]!)
        if (tookAsOperand(said, operands)) took++
        else t.fail(`${JSON.stringify(value)}: ${request.argv.join(' ')}`, { out: said.out.slice(0, 500), err: said.err.slice(0, 500) })
      }))
    }
    t.equal(took, cases.length, `${took} runs of ${[...tools].join(', ') || 'no tool'}`)
    t.end()
  })
}
