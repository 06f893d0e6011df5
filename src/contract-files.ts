import { printSchema } from 'graphql'
import { pino } from 'pino'
import { stringify } from 'yaml'
import { loadCatalogue } from '#diagnostics/catalogue.ts'
import { createGraphqlSchema } from '#graphql/schema.ts'
import type { UseCases } from '#jobs/use-cases.ts'
import { configurationReference } from '#openapi/configuration-reference.ts'
import { diagnosticsReference } from '#openapi/diagnostics-reference.ts'
import { errorsReference } from '#openapi/errors-reference.ts'
import { buildApp } from './app.ts'
import { Environment } from './config.ts'
import { readExampleAnswers } from './example-answers.ts'

const noRequests = async (): Promise<never> => { throw new Error('Cannot serve requests: the application was built for its contract alone') }

/** What follows from the code and is committed with it, by the path in the repository. Needs no resources. */
export async function contractFiles (): Promise<Map<string, string>> {
  const catalogue = await loadCatalogue()
  // No route is ever called.
  const useCases = {} as UseCases
  const app = await buildApp({ useCases, catalogue, authenticate: noRequests, audit: noRequests, checks: {}, log: pino({ level: 'silent' }) })
  try {
    return new Map([
      // compat: readers of YAML 1.1 would take a plain no for false.
      ['openapi.yaml', stringify(app.swagger(), { aliasDuplicateObjects: false, lineWidth: 0, compat: 'yaml-1.1' })],
      ['schema.graphql', `${printSchema(createGraphqlSchema(catalogue))}\n`],
      ['docs/reference/diagnostics.md', diagnosticsReference(catalogue, readExampleAnswers(catalogue))],
      ['docs/reference/errors.md', errorsReference()],
      ['docs/reference/configuration.md', configurationReference(Environment)]
    ])
  } finally {
    await app.close()
  }
}
