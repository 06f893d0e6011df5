import type { TObject } from 'typebox'
import { describeType } from './describe-type.ts'
import { code, page, table } from './markdown.ts'

/** docs/reference/configuration.md, from the schema of the environment. */
export function configurationReference (environment: TObject): string {
  const { properties, required } = environment as { properties: TObject['properties'], required?: string[] }
  const rows = Object.entries(properties).map(([name, property]) => {
    const { description = '', default: value } = property as { description?: string, default?: unknown }
    const standard = value === undefined ? (required?.includes(name) ? 'required' : '') : code(String(value))
    return [code(name), describeType(property), standard, description]
  })
  return page([
    '# Configuration',
    'Ephemera is set up by environment variables. All are read once, at the start, and checked: what does not fit ends the start with ' +
      'exit code 78 and says what is wrong. An empty variable is one that is not set. Variables that begin with `EPHEMERA_` and are none of ' +
      'these are named in the log.',
    table(['variable', 'type', 'default', 'meaning'], rows)
  ])
}
