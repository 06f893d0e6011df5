import type { Test } from 'tap'
import type { AnyDiagnostic } from '#core/diagnostic.ts'
import { loadCatalogue } from '../../src/diagnostics/catalogue.ts'
import { harmOf, optionsIn } from './argv-harm.ts'
import { corpusPlaces, type CorpusPlace } from './corpus-places.ts'
import { corpusWorld, type Transport } from './corpus-world.ts'
import { goodValues, refusedValues, watchedValues } from './corpus.ts'

const hostileValues = [...refusedValues, ...watchedValues]

/**
 * Sends every value of the corpus as every free text of every diagnostic of the catalogue, and looks at what reaches the channel. A new
 * diagnostic is found by its schema.
 */
export async function sendCorpus (t: Test, transport: Transport): Promise<void> {
  const catalogue = await loadCatalogue()
  const places = corpusPlaces(catalogue).filter(({ words }) => words === null)
  const { send } = await corpusWorld(t, catalogue)
  const argvsOf = async (diagnostic: AnyDiagnostic, params: Record<string, unknown>) =>
    (await send(transport, diagnostic, params))?.map(({ argv }) => argv)
  const counts = { tried: 0, refused: 0, harmless: 0, through: 0 }
  const taken = new Set<string>()

  /** Options of the diagnostic's own, from all that it does with values that are as they should be. */
  async function ownOptions ({ diagnostic, name, good, paramsWith }: CorpusPlace): Promise<Set<string>> {
    const options = new Set<string>()
    for (const params of [...diagnostic.examples.map(({ params }) => params), ...good.map(paramsWith)]) {
      const argvs = await argvsOf(diagnostic, params)
      if (!argvs) throw new Error(`${name} refuses ${JSON.stringify(params)}`)
      for (const option of optionsIn(argvs)) options.add(option)
    }
    return options
  }

  for (const place of places) {
    const { diagnostic, name, good, paramsWith } = place
    await t.test(`${name} brings no harm to the channel`, async t => {
      t.ok(good.length > 0, `${good.length} good values are taken here`)
      const options = await ownOptions(place)
      const harmsOf = async (value: string) => (await argvsOf(diagnostic, paramsWith(value)))
        ?.map(argv => harmOf(argv, value, options)).filter(harm => harm !== null)
      for (const value of good) {
        t.same(await harmsOf(value), [], `${JSON.stringify(value)} is taken`)
        taken.add(value)
      }
      for (const value of hostileValues) {
        const harms = await harmsOf(value)
        counts.tried++
        if (!harms) counts.refused++
        else if (harms.length === 0) counts.harmless++
        else {
          counts.through++
          t.fail(`${JSON.stringify(value.slice(0, 80))} got through: ${harms[0]}`)
        }
      }
    })
  }

  const { tried, refused, harmless, through } = counts
  t.ok(taken.size >= 50, `${taken.size} different good values were taken`)
  t.same(goodValues.filter(value => !taken.has(value)), [], 'each good value is taken somewhere')
  t.equal(tried, places.length * hostileValues.length)
  t.equal(through, 0)
  t.comment(`${transport}: ${hostileValues.length} vectors × ${places.length} parameters = ${tried} tried: ${refused} refused, ${harmless} harmless, ` +
    `${through} got through; of ${goodValues.length} good values ${taken.size} were taken`)
}
