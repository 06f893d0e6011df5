import { isIP } from 'node:net'
import t from 'tap'
import { checkParams } from '#core/check-params.ts'
import type { AnyDiagnostic } from '#core/diagnostic.ts'
import { loadCatalogue } from '../../src/diagnostics/catalogue.ts'
import { optionsIn } from '../support/argv-harm.ts'
import { corpusPlaces, takes } from '../support/corpus-places.ts'
import { goodValues, refusedValues, watchedValues } from '../support/corpus.ts'
import { examplePod, exampleService, recordedProbe } from '../support/recorded-probe.ts'

const catalogue = await loadCatalogue()
const places = corpusPlaces(catalogue)

/** The argv of the first tool that would run, none where it reads first; the measurement goes no further. */
async function firstArgv (diagnostic: AnyDiagnostic, params: Record<string, unknown>): Promise<string[]> {
  // Whatever objects are named, they are there; and nothing is recorded, so that the first tool ends it.
  const objects = { pod: async () => examplePod(), service: async () => exampleService() }
  const { probe, argvs } = recordedProbe([], { diagnostic, catalogue, objects })
  await diagnostic.measure(params, probe).catch((error: Error) => { if (!error.message.startsWith('Nothing is recorded')) throw error })
  return argvs.find(([tool]) => tool !== 'read') ?? []
}

t.test('the corpus is large, and no value stands in it twice', t => {
  const values = [...refusedValues, ...watchedValues, ...goodValues]
  t.ok(refusedValues.length + watchedValues.length >= 400)
  t.same(values, [...new Set(values)])
  t.end()
})

for (const { diagnostic, name, paramsWith } of places) {
  t.test(`${name} takes no hostile value, nor one of another type`, t => {
    t.same(refusedValues.filter(value => takes(diagnostic, paramsWith(value))), [])
    for (const value of [null, 0, 1.5, true, {}, [], [['web']], { toString: 'web' }]) t.notOk(takes(diagnostic, paramsWith(value)), JSON.stringify(value))
    t.end()
  })
}

/** Texts that fit, from the alphabets that names, addresses and devices use, with what looks like an option as often as possible. */
function * texts (count: number): Generator<string> {
  let seed = 42
  const random = (below: number) => { seed = (seed * 1103515245 + 12345) & 0x7fffffff; return seed % below }
  const alphabet = ['-', '-', '--', '+', '@', '.', ':', 'a', 'f', 'w', 'Z', '0', '1', '255', '_', '/', ' ', '=', 'eth0', '::', '10.0.0.1', 'e', '%']
  for (let made = 0; made < count; made++) {
    yield Array.from({ length: 1 + random(6) }, () => alphabet[random(alphabet.length)]).join('')
  }
}

t.test('no text that the gate lets through begins an argument with "-", "+" or "@", or stands in an option\'s place', async t => {
  let through = 0
  for (const { diagnostic, name, paramsWith, good } of places) {
    const argvs = await Promise.all(good.map(value => firstArgv(diagnostic, checkParams(diagnostic, paramsWith(value)))))
    const usual = new Set(optionsIn(argvs))
    for (const text of texts(3000)) {
      if (!takes(diagnostic, paramsWith(text))) continue
      through++
      const argv = await firstArgv(diagnostic, checkParams(diagnostic, paramsWith(text)))
      const isWrong = (argument: string) => (/^[-+]/.test(argument) && !usual.has(argument)) || (argument.startsWith('@') && isIP(argument.slice(1)) === 0)
      if (argv.some(isWrong)) t.fail(`${name} ${JSON.stringify(text)}: ${argv.join(' ')}`)
    }
  }
  t.ok(through > 100, `${through} texts went through`)
})
