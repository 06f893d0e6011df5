import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import t from 'tap'
import type { TSchema } from 'typebox'
import { checkParams } from '#core/check-params.ts'
import type { AnyDiagnostic } from '#core/diagnostic.ts'
import { Problem } from '#core/errors.ts'
import type { Probe } from '#core/probe.ts'
import { loadCatalogue } from '../../src/diagnostics/catalogue.ts'
import { examplePod, exampleService, recordedProbe } from '../support/recorded-probe.ts'

interface Schema extends TSchema { type?: string, properties?: Record<string, Schema>, items?: Schema, enum?: unknown[] }

const catalogue = await loadCatalogue()
const { values } = JSON.parse(readFileSync(new URL('../corpus/hostile-values.json', import.meta.url), 'utf8')) as { values: string[] }

type Place = (string | number)[]

/** Where the parameters take a text of the caller's. */
function * textPlaces (schema: Schema, place: Place = []): Generator<Place> {
  if (schema.type === 'string' || schema.enum) yield place
  for (const [name, property] of Object.entries(schema.properties ?? {})) yield * textPlaces(property, [...place, name])
  if (schema.items) yield * textPlaces(schema.items, [...place, 0])
}

function put (params: Record<string, unknown>, place: Place, value: unknown): Record<string, unknown> {
  const copy = structuredClone(params)
  let at = copy as Record<string | number, unknown>
  place.slice(0, -1).forEach((key, index) => {
    at[key] ??= typeof place[index + 1] === 'number' ? [] : {}
    at = at[key] as Record<string | number, unknown>
  })
  at[place.at(-1)!] = value
  return copy
}

/** The argv of the first tool that would run; the measurement goes no further. */
async function firstArgv (diagnostic: AnyDiagnostic, params: Record<string, unknown>): Promise<string[]> {
  let asked: string[] | undefined
  const stop = async (argv: string[]): Promise<never> => { asked ??= argv; throw new Error('far enough') }
  const { probe: recorded } = recordedProbe([])
  // Whatever objects are named, they are there.
  const objects = { ...recorded.objects, pod: async () => examplePod(), service: async () => exampleService() }
  const probe: Probe = { ...recorded, objects, run: stop, capture: stop }
  await diagnostic.measure(params, probe).catch((error: Error) => { if (error.message !== 'far enough') throw error })
  if (!asked) throw new Error(`${diagnostic.name} asked for no tool`)
  return asked
}

t.ok(values.length >= 150, `${values.length} values`)

for (const diagnostic of catalogue.values()) {
  const [example] = diagnostic.examples
  for (const place of textPlaces(diagnostic.params)) {
    t.test(`${diagnostic.name} takes no hostile value for ${place.join('.')}`, t => {
      const taken = values.filter(value => {
        try {
          checkParams(diagnostic, put(example!.params, place, value))
          return true
        } catch (error) {
          if (!(error instanceof Problem && error.code === 'EPH_PARAMS_INVALID')) throw error
          return false
        }
      })
      t.same(taken, [])
      t.end()
    })
  }

  t.test(`${diagnostic.name} refuses values of other types in place of texts`, t => {
    for (const place of textPlaces(diagnostic.params)) {
      for (const value of [null, 0, 1.5, true, {}, [], [['web']], { toString: 'web' }]) {
        t.throws(() => checkParams(diagnostic, put(example!.params, place, value)), { code: 'EPH_PARAMS_INVALID' }, `${place.join('.')} ${JSON.stringify(value)}`)
      }
    }
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
  for (const diagnostic of catalogue.values()) {
    const [example] = diagnostic.examples
    // Which tool comes first may depend on the parameters.
    const argvs = await Promise.all(diagnostic.examples.map(({ params }) => firstArgv(diagnostic, checkParams(diagnostic, params))))
    const usual = new Set(argvs.flat())
    for (const place of textPlaces(diagnostic.params)) {
      for (const text of texts(3000)) {
        let params
        try {
          params = checkParams(diagnostic, put(example!.params, place, text))
        } catch {
          continue
        }
        through++
        const fromText = (await firstArgv(diagnostic, params)).filter(argument => !usual.has(argument))
        // dig takes its server only so: an address, which is no file or name.
        if (fromText.some(argument => /^[-+]/.test(argument) || (argument.startsWith('@') && isIP(argument.slice(1)) === 0))) t.fail(`${diagnostic.name} ${place.join('.')} ${JSON.stringify(text)}: ${fromText.join(' ')}`)
      }
    }
  }
  t.ok(through > 100, `${through} texts went through`)
})
