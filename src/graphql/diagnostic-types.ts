import { GraphQLInputObjectType, GraphQLUnionType, type GraphQLOutputType } from 'graphql'
import type { Catalogue } from '#core/diagnostic.ts'
import { Problem } from '#core/errors.ts'
import type { Types } from './from-schema.ts'
import { toCamel, toPascal } from './identifiers.ts'
import { Json } from './scalars.ts'

const reportName = (diagnostic: string) => `${toPascal(diagnostic)}Report`

/** One field for each diagnostic, of which exactly one is given: the diagnostic and its parameters at once. */
export function diagnosticInput<C> (catalogue: Catalogue, types: Types<C>): GraphQLInputObjectType {
  return new GraphQLInputObjectType({
    name: 'DiagnosticInput',
    description: 'What to measure: exactly one of these, with its parameters',
    isOneOf: true,
    fields: Object.fromEntries([...catalogue.values()].map(({ name, params, summary }) =>
      [toCamel(name), { type: types.input(params, `${toPascal(name)}Input`), description: summary }]))
  })
}

/** The diagnostic that was chosen, by its name in the catalogue. */
export function readDiagnostic (catalogue: Catalogue, input: Record<string, unknown>): { diagnostic: string, params: unknown } {
  for (const name of catalogue.keys()) {
    const params = input[toCamel(name)]
    if (params !== undefined && params !== null) return { diagnostic: name, params }
  }
  throw new Problem('EPH_INVALID_REQUEST', 'Cannot launch: no diagnostic is named', { errors: [{ pointer: '/diagnostic', detail: 'is required' }] })
}

/** The reports of all diagnostics; those without any field have no type of their own. */
export function reportUnion<C> (catalogue: Catalogue, types: Types<C>): GraphQLOutputType {
  const reports = [...catalogue.values()].filter(({ report }) => Object.keys(report.properties).length > 0)
    .map(({ name, report }) => types.object(report, reportName(name)))
  return reports.length === 0
    ? Json
    : new GraphQLUnionType({ name: 'Report', description: 'What was measured, by diagnostic; see also reportJson', types: reports })
}

/** The report as a member of the union. */
export function asReport (catalogue: Catalogue, diagnostic: string, report: Record<string, unknown> | null) {
  const known = catalogue.get(diagnostic)
  if (report === null || !known || Object.keys(known.report.properties).length === 0) return null
  return { ...report, __typename: reportName(diagnostic) }
}
