/** A row as Prisma gives it or as JSON made by Postgres gives it: times as text, sizes as numbers. */
export type Stored<T> = { [K in keyof T]: Field<T[K]> }
type Field<V> = V extends Date ? Date | string : V extends bigint ? bigint | number : V

export function time (value: Date | string): string
export function time (value: Date | string | null): string | null
export function time (value: Date | string | null): string | null {
  if (value === null) return null
  return (typeof value === 'string' ? new Date(value) : value).toISOString()
}

/** The one keyset key of an id: what is no UUID is not there, and need not be asked for. */
export const isId = (id: string): boolean => /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/.test(id)

const names = new Map<string, string>()

function camel (name: string): string {
  let result = names.get(name)
  if (result === undefined) names.set(name, result = name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase()))
  return result
}

/** The columns of a row_to_json() under the names of the Prisma model; what stands in them is left alone. */
export function camelKeys<T> (row: Record<string, unknown>): T {
  const result: Record<string, unknown> = {}
  for (const name in row) result[camel(name)] = row[name]
  return result as T
}
