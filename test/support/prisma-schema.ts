import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

interface Field {
  name: string
  dbName?: string
  kind: 'scalar' | 'object'
  type: string
  isList: boolean
  isRequired: boolean
  isId: boolean
  nativeType: [string, string[]] | null
  default?: string | number | boolean | string[] | { name: string, args: unknown[] }
  relationFromFields?: string[]
  relationToFields?: string[]
  relationOnDelete?: string
}
interface Model { name: string, dbName: string, fields: Field[] }
interface Index { model: string, type: 'id' | 'normal' | 'unique', dbName?: string, algorithm?: string, fields: { name: string, sortOrder?: string }[] }
interface Datamodel { models: Model[], indexes: Index[] }

const schemaFile = new URL('../../prisma/schema.prisma', import.meta.url)
const generator = new URL('./dmmf-generator.ts', import.meta.url).pathname
const prisma = join(dirname(createRequire(import.meta.url).resolve('prisma/package.json')), 'build/index.js')

async function readDatamodel (folder: string): Promise<Datamodel> {
  const schema = await readFile(schemaFile, 'utf8')
  const file = join(folder, 'schema.prisma')
  const provider = `generator datamodel {\n  provider = "${process.execPath} ${generator}"\n  output = "."\n}`
  await writeFile(file, schema.replace(/^generator client \{.*?^\}/ms, () => provider))
  // Asked for by name only so that no engine is downloaded, which generating does not need.
  const env = { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: process.execPath }
  await promisify(execFile)(process.execPath, [prisma, 'generate', '--schema', file], { env })
  return JSON.parse(await readFile(join(folder, 'datamodel.json'), 'utf8')) as Datamodel
}

const types: Record<string, string> = { String: 'text', Int: 'integer', BigInt: 'bigint', Boolean: 'boolean', Json: 'jsonb', Bytes: 'bytea' }

function typeOf ({ type, nativeType, isList }: Field): string {
  const [native, args] = nativeType ?? []
  const name = native === 'Timestamptz' ? `timestamp(${args?.join()}) with time zone` : native?.toLowerCase() ?? types[type] ?? type
  return isList ? `${name}[]` : name
}

function defaultOf ({ type, default: value }: Field): string {
  if (value === undefined) return ''
  if (Array.isArray(value)) return ` DEFAULT '{${value.join()}}'::${types[type]}[]`
  if (typeof value === 'object') return ` DEFAULT ${value.name}()`
  return ` DEFAULT ${type === 'Json' || type === 'String' ? `'${value}'::${types[type]}` : value}`
}

/** What schema.prisma says of the database, one line for each column, key, index and foreign key, in the words of `catalogueLines`. */
export async function prismaLines (folder: string): Promise<string[]> {
  const { models, indexes } = await readDatamodel(folder)
  const modelOf = (name: string) => models.find(model => model.name === name)!
  const columns = (model: Model, names: string[]) =>
    names.map(name => model.fields.find(field => field.name === name)!).map(field => field.dbName ?? field.name)

  const columnLine = ({ dbName: table }: Model, field: Field) =>
    `${table}.${field.dbName ?? field.name} ${typeOf(field)}${field.isRequired ? ' NOT NULL' : ''}${defaultOf(field)}`

  function foreignKeyLine (model: Model, { type, relationFromFields, relationToFields, relationOnDelete }: Field): string {
    const [from, target] = [columns(model, relationFromFields ?? []), modelOf(type)]
    const to = columns(target, relationToFields ?? []).join(', ')
    return `${model.dbName} ${model.dbName}_${from.join('_')}_fkey FOREIGN KEY (${from.join(', ')}) REFERENCES ${target.dbName}(${to})` +
      ` ON UPDATE CASCADE ON DELETE ${relationOnDelete?.toUpperCase()}`
  }

  function indexLine ({ model: name, type, dbName, algorithm = 'BTree', fields }: Index): string {
    const model = modelOf(name)
    const order = fields.map(({ sortOrder }, nth) => columns(model, [fields[nth]!.name]) + (sortOrder === 'desc' ? ' DESC' : '')).join(', ')
    if (type === 'id') return `${model.dbName} ${model.dbName}_pkey PRIMARY KEY (${order})`
    return `${type === 'unique' ? 'UNIQUE ' : ''}INDEX ${dbName} ON ${model.dbName} USING ${algorithm.toLowerCase()} (${order})`
  }

  return [
    ...models.flatMap(model => model.fields.filter(({ kind }) => kind === 'scalar').map(field => columnLine(model, field))),
    ...models.flatMap(model => model.fields.filter(field => field.relationFromFields?.length).map(field => foreignKeyLine(model, field))),
    ...indexes.map(indexLine)
  ].sort()
}
