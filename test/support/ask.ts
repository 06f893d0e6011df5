import type { TestApp } from './build-app.ts'

export interface Failure {
  message: string
  path?: (string | number)[]
  extensions: { code: string, status: number, errors: { pointer: string, detail: string }[] }
}

/** Sends a document by POST. */
export async function ask ({ call }: TestApp, query: string, variables?: Record<string, unknown>) {
  const { statusCode: status, headers, json } = await call({ method: 'POST', url: '/graphql', payload: { query, ...(variables && { variables }) } })
  const { data, errors = [] } = json<{ data: Record<string, unknown> | null, errors?: Failure[] }>()
  return { status, headers, data, errors }
}
