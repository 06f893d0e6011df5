// Main of `npm run examples`: launches the first example of each diagnostic on the lab and keeps what it answered for the reference.
import { mkdirSync, writeFileSync } from 'node:fs'
import { loadCatalogue } from '#diagnostics/catalogue.ts'
import { launchExample } from '../bench/catalogue.ts'
import { exampleFile } from '../src/example-answers.ts'
import { labEnvironment } from '../test/support/lab.ts'
import { startService } from '../test/support/service.ts'
import { renewSample } from './demo/cluster.ts'

const wanted = process.argv.slice(2)
const catalogue = await loadCatalogue()
for (const name of wanted) if (!catalogue.has(name)) throw new Error(`Cannot record "${name}": the catalogue has ${[...catalogue.keys()].join(', ')}`)

renewSample()
const service = await startService({ env: labEnvironment() })
try {
  for (const diagnostic of catalogue.values()) {
    const { name } = diagnostic
    if (wanted.length > 0 && !wanted.includes(name)) continue
    const { verdict, pods: { items: [pod] } } = await launchExample(service, diagnostic)
    const file = exampleFile(name)
    mkdirSync(new URL('.', file), { recursive: true })
    writeFileSync(file, `${JSON.stringify({ verdict, report: pod?.report }, null, 2)}\n`)
    console.log(`${name}: ${verdict}`)
  }
} finally {
  await service.stop()
}
