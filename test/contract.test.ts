import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { Value } from 'typebox/value'
import { parse } from 'yaml'
import { checkParams } from '#core/check-params.ts'
import { JobRequest } from '#core/job.ts'
import { loadCatalogue } from '#diagnostics/catalogue.ts'
import { contractFiles } from '../src/contract-files.ts'

const root = join(import.meta.dirname, '..')
const files = await contractFiles()

t.test('what is committed is what the code says; else run npm run contract', t => {
  for (const [path, text] of files) t.equal(readFileSync(join(root, path), 'utf8'), text, path)
  t.end()
})

t.test('a launch that the document gives as an example is one', async t => {
  const catalogue = await loadCatalogue()
  const { components: { schemas: { JobRequest: { examples } } } } = parse(files.get('openapi.yaml')!) as
    { components: { schemas: { JobRequest: { examples: JobRequest[] } } } }
  t.ok(examples.length > 0)
  for (const example of examples) {
    t.ok(Value.Check(JobRequest, example))
    t.doesNotThrow(() => checkParams(catalogue.get(example.diagnostic)!, example.params))
  }
})

t.test('the document reads alike in YAML 1.1 and 1.2', t => {
  const text = files.get('openapi.yaml')!
  t.same(parse(text, { version: '1.1' }), parse(text))
  t.end()
})

t.test('--check finds the first difference, writes nothing, and says what to do', t => {
  const copy = t.testdir({})
  for (const path of ['src', 'package.json', 'docs/reference/examples']) cpSync(join(root, path), join(copy, path), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
  for (const [path, text] of files) {
    mkdirSync(join(copy, path, '..'), { recursive: true })
    writeFileSync(join(copy, path), text)
  }
  const run = (...options: string[]) => spawnSync(process.execPath, [join(copy, 'src/contract.ts'), ...options], { encoding: 'utf8' })
  t.match(run('--check'), { status: 0, stdout: '', stderr: '' })
  const errors = join(copy, 'docs/reference/errors.md')
  const changed = readFileSync(errors, 'utf8').replace('# Errors', '# Mistakes')
  writeFileSync(errors, changed)
  t.match(run('--check'), { status: 1, stderr: /docs\/reference\/errors\.md .*line 3\n- # Mistakes\n\+ # Errors\nRun npm run contract/ })
  t.equal(readFileSync(errors, 'utf8'), changed)
  t.match(run(), { status: 0, stdout: 'wrote docs/reference/errors.md\n' })
  t.equal(readFileSync(errors, 'utf8'), files.get('docs/reference/errors.md'))
  t.match(run('--chekc'), { status: 64, stderr: /cannot understand "--chekc"/ })
  t.end()
})
