import {
  getNamedType, isObjectType, Kind, visit, type DocumentNode, type FragmentDefinitionNode, type GraphQLField, type GraphQLNamedType,
  type GraphQLSchema, type OperationDefinitionNode, type SelectionNode, type SelectionSetNode
} from 'graphql'
import { Problem } from '#core/errors.ts'
import { maxLimit } from '#core/page.ts'

/** Characters of a document. */
export const maxLength = 65_536
export const maxTokens = 4000
/** Introspection of a type nests deeper; what may be repeated in it has a rule of its own in graphql-js. */
export const maxDepth = 8
/** Fields as they are written, and again with fragments in their places; aliases included. */
export const maxFields = 500
/** Reads at the root, aliases included: each is a call of its own. */
export const maxRoots = 20
/** Fields as they would be answered, if every page were full; fields that are calls of their own weigh as `callCost` of them. */
export const maxCost = 200_000
export const callCost = 400

const maxIntrospectionDepth = 16
/** Fragments that name each other may go on without end, or double with every step. */
const maxVisits = 5000
const maxNesting = 64

interface Count { fields: number, cost: number, depth: number }
const endless: Count = { fields: Infinity, cost: Infinity, depth: 0 }

type MaybeType = GraphQLNamedType | null | undefined

const isIntrospection = ({ name: { value } }: { name: { value: string } }) => value === '__schema' || value === '__type'

/** Nodes that a field may have; the variables are not known yet, so a page that depends on one counts as full. */
function pageSize (selection: SelectionNode, definition: GraphQLField<unknown, unknown> | undefined): number {
  const given = selection.kind === Kind.FIELD ? selection.arguments?.find(({ name }) => name.value === 'first')?.value : undefined
  if (given) return given.kind === Kind.INT ? Math.max(1, Number(given.value)) : maxLimit
  const { defaultValue } = definition?.args.find(({ name }) => name === 'first') ?? {}
  return typeof defaultValue === 'number' ? defaultValue : 1
}

function createCount (schema: GraphQLSchema, document: DocumentNode) {
  const fragments = new Map<string, FragmentDefinitionNode>()
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition)
  }
  let visits = 0
  let nesting = 0

  /** `page` is how many nodes the connection around may have. */
  function one (selection: SelectionNode, parent: MaybeType, page: number, depth: number): Count {
    if (selection.kind !== Kind.FIELD) {
      const fragment = selection.kind === Kind.FRAGMENT_SPREAD ? fragments.get(selection.name.value) : selection
      const condition = fragment?.typeCondition
      return all(fragment?.selectionSet, condition ? schema.getType(condition.name.value) : parent, page, depth)
    }
    const definition = isObjectType(parent) ? parent.getFields()[selection.name.value] : undefined
    // Introspection may be as deep as tools ask for it.
    const from = isIntrospection(selection) ? depth - (maxIntrospectionDepth - maxDepth) : depth
    const inner = all(selection.selectionSet, definition && getNamedType(definition.type), pageSize(selection, definition), from + 1)
    const own = Number(definition?.extensions.cost ?? 1)
    const times = ['nodes', 'edges'].includes(selection.name.value) ? page : 1
    return { fields: 1 + inner.fields, cost: own + times * inner.cost, depth: Math.max(from, inner.depth) }
  }

  function all (set: SelectionSetNode | undefined, parent: MaybeType, page: number, depth: number): Count {
    const total = { fields: 0, cost: 0, depth: 0 }
    nesting += 1
    for (const selection of set?.selections ?? []) {
      visits += 1
      const { fields, cost, depth: deepest } = visits > maxVisits || nesting > maxNesting ? endless : one(selection, parent, page, depth)
      total.fields += fields
      total.cost += cost
      total.depth = Math.max(total.depth, deepest)
      if (total.fields > maxFields) break
    }
    nesting -= 1
    return total
  }

  function roots (set: SelectionSetNode, seen: ReadonlySet<string> = new Set()): number {
    return set.selections.reduce((sum, selection) => {
      if (selection.kind === Kind.FIELD) return sum + 1
      if (selection.kind === Kind.INLINE_FRAGMENT) return sum + roots(selection.selectionSet, seen)
      const { value } = selection.name
      const fragment = fragments.get(value)
      return !fragment || seen.has(value) ? sum : sum + roots(fragment.selectionSet, new Set([...seen, value]))
    }, 0)
  }

  return { all, roots }
}

/** As written, also in fragments that nobody uses: a rule of graphql-js compares every field with every other. */
function writtenFields (document: DocumentNode): number {
  let count = 0
  visit(document, { Field () { count += 1 } })
  return count
}

function demandModestOperation (operation: OperationDefinitionNode, schema: GraphQLSchema, document: DocumentNode): void {
  const { all, roots } = createCount(schema, document)
  const { fields, cost, depth } = all(operation.selectionSet, schema.getRootType(operation.operation), 1, 1)
  const refuse = (what: string) => { throw new Problem('EPH_INVALID_REQUEST', `Cannot run this document: ${what}`) }
  if (fields > maxFields) refuse(`it has more than ${maxFields} fields`)
  if (depth > maxDepth) refuse(`it is ${depth} fields deep, at most ${maxDepth} are allowed`)
  const reads = roots(operation.selectionSet)
  if (reads > maxRoots) refuse(`it has ${reads} reads, at most ${maxRoots} are allowed`)
  if (cost > maxCost) refuse(`it may answer ${cost} fields, at most ${maxCost} are allowed; ask for smaller pages`)
}

/** Refuses documents that ask for more than one request should; comes before the rules of graphql-js, which take their time over them. */
export function demandModest (schema: GraphQLSchema, document: DocumentNode): void {
  if (writtenFields(document) > maxFields) {
    throw new Problem('EPH_INVALID_REQUEST', `Cannot run this document: it has more than ${maxFields} fields`)
  }
  for (const definition of document.definitions) {
    if (definition.kind === Kind.OPERATION_DEFINITION) demandModestOperation(definition, schema, document)
  }
}
