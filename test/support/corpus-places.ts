import { checkParams } from '#core/check-params.ts'
import type { AnyDiagnostic, Catalogue } from '#core/diagnostic.ts'
import { Problem } from '#core/errors.ts'
import { goodValues } from './corpus.ts'
import { putAt, smallestWith, textPlaces, type TextPlace } from './text-places.ts'

export interface CorpusPlace {
  diagnostic: AnyDiagnostic
  /** As dns-lookup names.0 */
  name: string
  words: string[] | null
  /** Good values that are taken here. */
  good: string[]
  /** Parameters that are right but for what is put here. */
  paramsWith (value: unknown): Record<string, unknown>
}

export function takes (diagnostic: AnyDiagnostic, params: Record<string, unknown>): boolean {
  try {
    checkParams(diagnostic, params)
    return true
  } catch (error) {
    if (error instanceof Problem && error.code === 'EPH_PARAMS_INVALID') return false
    throw error
  }
}

/** Around the text lies what an example has there, or as little as possible: whichever lets a good value through. */
function toCorpusPlace (diagnostic: AnyDiagnostic, { place, words }: TextPlace): CorpusPlace {
  const around = [
    (value: unknown) => smallestWith(diagnostic.params, place, value) as Record<string, unknown>,
    ...diagnostic.examples.map(({ params }) => (value: unknown) => putAt(params, place, value))
  ]
  const values = words ?? goodValues
  const [best] = around.map(paramsWith => ({ paramsWith, good: values.filter(value => takes(diagnostic, paramsWith(value))) }))
    .toSorted((one, other) => other.good.length - one.good.length)
  return { diagnostic, name: `${diagnostic.name} ${place.join('.')}`, words, ...best! }
}

/** Every place of every diagnostic where a text of the caller's goes, found in the schemas. */
export const corpusPlaces = (catalogue: Catalogue): CorpusPlace[] =>
  [...catalogue.values()].flatMap(diagnostic => [...textPlaces(diagnostic.params)].map(place => toCorpusPlace(diagnostic, place)))
