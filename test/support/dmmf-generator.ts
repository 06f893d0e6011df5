// A generator for `prisma generate` that writes down what Prisma read: the data model as JSON, into the folder of the schema.
import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'

interface Call { id: number, method: string, params: { schemaPath: string, dmmf: { datamodel: unknown } } }

createInterface({ input: process.stdin }).on('line', line => {
  const { id, method, params } = JSON.parse(line) as Call
  if (method === 'generate') writeFileSync(join(dirname(params.schemaPath), 'datamodel.json'), JSON.stringify(params.dmmf.datamodel))
  const result = method === 'getManifest' ? { manifest: { prettyName: 'data model' } } : null
  process.stderr.write(`${JSON.stringify({ jsonrpc: '2.0', id, result })}\n`)
})
