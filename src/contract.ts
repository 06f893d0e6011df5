import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { contractFiles } from './contract-files.ts'

const root = join(import.meta.dirname, '..')

/** The first line in which two texts differ; null where they are equal. */
function firstDifference (committed: string, generated: string): string | null {
  if (committed === generated) return null
  const [before, after] = [committed, generated].map(text => text.split('\n')) as [string[], string[]]
  const line = after.findIndex((text, index) => text !== before[index])
  const at = line === -1 ? after.length : line
  return `line ${at + 1}\n- ${before[at] ?? '(ends)'}\n+ ${after[at] ?? '(ends)'}`
}

/** npm run contract: writes the generated files. With --check it writes none, and fails where one differs from the code. */
async function main (options: string[]): Promise<number> {
  const unknown = options.find(option => option !== '--check')
  if (unknown !== undefined) {
    console.error(`error: cannot understand "${unknown}"; usage: npm run contract [-- --check]`)
    return 64
  }
  for (const [path, text] of await contractFiles()) {
    const file = join(root, path)
    const difference = firstDifference(existsSync(file) ? readFileSync(file, 'utf8') : '', text)
    if (difference === null) continue
    if (options.includes('--check')) {
      console.error(`error: ${path} is not what the code says, ${difference}\nRun npm run contract and commit what it wrote`)
      return 1
    }
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
    console.log(`wrote ${path}`)
  }
  return 0
}

process.exitCode = await main(process.argv.slice(2))
