import { existsSync, readFileSync } from 'node:fs'
import type { Catalogue } from '#core/diagnostic.ts'

/** What the first example of a diagnostic answered on the lab; `npm run examples` records it. */
export interface ExampleAnswer { verdict: string, report: Record<string, unknown> }

export const exampleFile = (name: string): URL => new URL(`../docs/reference/examples/${name}.json`, import.meta.url)

export function readExampleAnswers (catalogue: Catalogue): Map<string, ExampleAnswer> {
  const recorded = [...catalogue.keys()].filter(name => existsSync(exampleFile(name)))
  return new Map(recorded.map(name => [name, JSON.parse(readFileSync(exampleFile(name), 'utf8'))]))
}
