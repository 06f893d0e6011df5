import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { ESLint } from 'eslint'
import t from 'tap'

const root = fileURLToPath(new URL('../', import.meta.url))
const eslint = new ESLint({ cwd: root })

/** Whom each folder may import, as ARCHITECTURE.md draws it; written again, so that a slip in the configuration is seen. */
const mayImport: Record<string, string[]> = {
  core: [],
  analysis: ['core'],
  diagnostics: ['core', 'analysis'],
  jobs: ['core', 'diagnostics'],
  kubernetes: ['core'],
  storage: ['core'],
  queue: ['core'],
  auth: ['core'],
  http: ['core', 'diagnostics', 'jobs', 'auth'],
  graphql: ['core', 'diagnostics', 'jobs', 'auth'],
  openapi: ['core', 'diagnostics']
}

const owners: Record<string, string> = {
  '@kubernetes/client-node': 'kubernetes',
  ws: 'kubernetes',
  '@prisma/client': 'storage',
  '@prisma/adapter-pg': 'storage',
  pg: 'storage',
  '@aws-sdk/client-s3': 'storage',
  bullmq: 'queue',
  ioredis: 'queue',
  mercurius: 'graphql',
  '@fastify/swagger': 'openapi'
}

/** What the import rule says of one import in a file of the folder. */
async function complaintsOf (folder: string, specifier: string): Promise<string[]> {
  const text = `import { thing } from '${specifier}'\n\nexport const use = thing\n`
  const [result] = await eslint.lintText(text, { filePath: `${root}src/${folder}/example.ts` })
  const fatal = result!.messages.find(message => message.fatal)
  if (fatal) throw new Error(`Cannot lint ${folder}: ${fatal.message}`)
  return result!.messages.filter(({ ruleId, severity }) => ruleId === 'no-restricted-imports' && severity === 2).map(({ message }) => message)
}

const folders = Object.keys(mayImport)

t.test('every folder of the source has its row in the table', t => {
  const present = readdirSync(`${root}src`, { withFileTypes: true }).filter(entry => entry.isDirectory()).map(({ name }) => name)
  for (const name of present) t.ok(name in mayImport, name)
  t.end()
})

for (const folder of folders) {
  t.test(`${folder}/ may import what the table says and nothing else`, async t => {
    for (const other of folders.filter(name => name !== folder)) {
      const complaints = await complaintsOf(folder, `#${other}/thing.ts`)
      t.equal(complaints.length > 0, !mayImport[folder]!.includes(other), `${folder} → ${other}`)
      t.not((await complaintsOf(folder, `../${other}/thing.ts`)).length, 0, `${folder} → ../${other}`)
    }
    t.not((await complaintsOf(folder, `#${folder}/thing.ts`)).length, 0, 'uses ./ for its own files')
    t.same(await complaintsOf(folder, './thing.ts'), [])
    t.not((await complaintsOf(folder, '#server.ts')).length, 0, 'imports no main')
    t.same(await complaintsOf(folder, 'node:fs'), [])
  })

  t.test(`${folder}/ imports only the libraries that it owns`, async t => {
    for (const [library, owner] of Object.entries(owners)) {
      t.equal((await complaintsOf(folder, library)).length > 0, owner !== folder, library)
    }
    t.equal((await complaintsOf(folder, 'bullmq/dist/queue.js')).length > 0, folder !== 'queue', 'neither by a path inside of them')
  })
}

t.test('the rule looks at types and re-exports too', async t => {
  for (const text of ["import type { Thing } from '#jobs/thing.ts'\n\nexport type Other = Thing\n", "export { thing } from '#jobs/thing.ts'\n"]) {
    const [result] = await eslint.lintText(text, { filePath: `${root}src/core/example.ts` })
    t.ok(result!.messages.some(({ ruleId }) => ruleId === 'no-restricted-imports'), text)
  }
})

t.test('time is measured by a clock that nobody sets', async t => {
  const [result] = await eslint.lintText('export const age = (since: number) => Date.now() - since\n', { filePath: `${root}src/jobs/example.ts` })
  t.ok(result!.messages.some(({ ruleId }) => ruleId === 'no-restricted-properties'))
})

t.test('files have at most 300 lines, and no any', async t => {
  const rulesOf = async (text: string) => {
    const [result] = await eslint.lintText(text, { filePath: `${root}src/core/example.ts` })
    return result!.messages.map(({ ruleId }) => ruleId)
  }
  t.ok((await rulesOf('export const a = 1\n'.repeat(301))).includes('max-lines'))
  t.ok((await rulesOf('export const a: any = 1\n')).includes('@typescript-eslint/no-explicit-any'))
})
