import {
  GraphQLBoolean, GraphQLEnumType, GraphQLFloat, GraphQLID, GraphQLInputObjectType, GraphQLInt, GraphQLList, GraphQLNonNull,
  GraphQLObjectType, GraphQLString, type GraphQLFieldConfig, type GraphQLFieldConfigMap, type GraphQLInputType, type GraphQLOutputType
} from 'graphql'
import { Type, type TObject, type TSchema } from 'typebox'
import { uuid } from '#core/schema.ts'
import { toCamel, toPascal } from './identifiers.ts'
import { DateTime, Json, Long } from './scalars.ts'

const maxInt = 2 ** 31 - 1

/** Fields of a type that replace or, with null, remove those of its schema. */
type OwnFields<Context> = Record<string, GraphQLFieldConfig<unknown, Context> | null>

interface Text { description?: string, pattern?: string, format?: string, default?: unknown, maximum?: number }

/** What both directions share: all but objects and lists. Null where the schema is one of those. */
function scalarOf (schema: TSchema) {
  const { pattern, format, maximum = Infinity } = schema as Text
  if (Type.IsString(schema)) return pattern === uuid ? GraphQLID : format === 'date-time' ? DateTime : GraphQLString
  if (Type.IsInteger(schema)) return maximum <= maxInt ? GraphQLInt : Long
  if (Type.IsNumber(schema)) return GraphQLFloat
  if (Type.IsBoolean(schema)) return GraphQLBoolean
  return Type.IsRecord(schema) || Type.IsUnknown(schema) ? Json : null
}

/** The schema beside null, the only union there is. */
function withoutNull (schema: TSchema): { inner: TSchema, nullable: boolean } {
  if (!Type.IsUnion(schema)) return { inner: schema, nullable: false }
  const [inner, ...others] = schema.anyOf.filter(option => !Type.IsNull(option))
  if (!inner || others.length > 0) throw new Error('Cannot say a schema in GraphQL: it has a union other than with null')
  return { inner, nullable: true }
}

const describe = (schema: TSchema) => {
  const { description } = schema as Text
  return description === undefined ? {} : { description }
}

/** Types by name; no name may mean two schemas. */
function createNamed<Type> () {
  const made = new Map<string, { text: string, type: Type }>()
  return (name: string, schema: TSchema | readonly unknown[], make: () => Type): Type => {
    const text = JSON.stringify(schema)
    const known = made.get(name) ?? { text, type: make() }
    if (known.text !== text) throw new Error(`Cannot say the schemas in GraphQL: two would be named ${name}`)
    made.set(name, known)
    return known.type
  }
}

/**
 * GraphQL types of the same schemas that REST validates, serialises and documents by. `names` are those that callers meet; all others are
 * named by where they stand, and never by what else exists: a new diagnostic must not rename the types of another.
 */
export function createTypes<Context> (names: ReadonlyMap<TSchema, string>, ownFields: Record<string, () => OwnFields<Context>>) {
  const outputs = createNamed<GraphQLObjectType>()
  const inputs = createNamed<GraphQLInputObjectType>()
  const enums = createNamed<GraphQLEnumType>()

  function enumOf (values: readonly unknown[], schema: TSchema, place: string): GraphQLEnumType {
    const [named, name] = [...names].find(([known]) => Type.IsEnum(known) && known.enum.join() === values.join()) ?? [schema, place]
    const entries = values.map(value => [toCamel(String(value)), { value }])
    return enums(name, values, () => new GraphQLEnumType({ name, values: Object.fromEntries(entries), ...describe(named) }))
  }

  function output (schema: TSchema, place: string): GraphQLOutputType {
    const { inner, nullable } = withoutNull(schema)
    const type = Type.IsEnum(inner)
      ? enumOf(inner.enum, inner, place)
      : Type.IsArray(inner) ? new GraphQLList(output(inner.items, place)) : scalarOf(inner) ?? object(inner as TObject, place)
    return nullable ? type : new GraphQLNonNull(type)
  }

  function object (schema: TObject, place: string): GraphQLObjectType {
    const name = names.get(schema) ?? place
    const fields = () => fieldsOf(schema, name)
    return outputs(name, schema, () => new GraphQLObjectType<unknown, Context>({ name, ...describe(schema), fields }))
  }

  function fieldsOf (schema: TObject, name: string): GraphQLFieldConfigMap<unknown, Context> {
    const own = ownFields[name]?.() ?? {}
    const fromSchema = Object.entries(schema.properties).filter(([field]) => !(field in own)).map(([field, property]) => {
      const type = output(property, name + toPascal(field))
      const isOptional = !schema.required?.includes(field)
      return [field, { type: isOptional && type instanceof GraphQLNonNull ? type.ofType : type, ...describe(withoutNull(property).inner) }]
    })
    return Object.fromEntries([...fromSchema, ...Object.entries(own).filter(([, config]) => config !== null)])
  }

  function input (schema: TSchema, place: string): GraphQLInputType {
    if (Type.IsEnum(schema)) return enumOf(schema.enum, schema, place)
    if (Type.IsArray(schema)) return new GraphQLList(new GraphQLNonNull(input(schema.items, place)))
    return scalarOf(schema) ?? inputObject(schema as TObject, place)
  }

  /** An object without properties has no type in GraphQL. */
  function inputObject (schema: TObject, place: string): GraphQLInputType {
    if (Object.keys(schema.properties).length === 0) return Json
    const fields = () => inputFields(schema, place)
    return inputs(place, schema, () => new GraphQLInputObjectType({ name: place, ...describe(schema), fields }))
  }

  function inputFields (schema: TObject, place: string) {
    return Object.fromEntries(Object.entries(schema.properties).map(([field, property]) => {
      const type = input(property, place.replace(/Input$/, '') + toPascal(field) + 'Input')
      const { default: defaultValue } = property as Text
      const isRequired = schema.required?.includes(field) && defaultValue === undefined
      const fieldType = isRequired ? new GraphQLNonNull(type) : type
      return [field, { type: fieldType, ...describe(property), ...(defaultValue !== undefined && { defaultValue }) }]
    }))
  }

  return { output, object, input, inputFields }
}
export type Types<Context> = ReturnType<typeof createTypes<Context>>
