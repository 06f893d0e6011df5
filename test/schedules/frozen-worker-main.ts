// A worker on the database of its argument, with a pod in memory, that stops itself (SIGSTOP) when the row of its first run stands and the
// tool has not been sent. Says `sent` for each tool, and `ended` when the row of a run has ended.
import { createWorker } from '#jobs/worker.ts'
import { createDatabase } from '../../src/storage/database.ts'
import { lookup } from '../support/drive.ts'
import { createFakePorts } from '../support/fake-ports.ts'

const leaseSeconds = 2
const say = (line: string) => { process.stdout.write(`${line}\n`) }
const { context, channels } = createFakePorts(new Map([['lookup', lookup({ retrySafe: false })]]))
channels.play = tool => {
  say('sent')
  tool.start()
  tool.end()
}
const database = await createDatabase({ url: process.argv[2]!, leaseSeconds })
const { runs } = database
let hasStoodStill = false

/** The signal may take effect a moment after the call: hence the loop, which ends when the time has passed. */
function standStill (): void {
  hasStoodStill = true
  const since = performance.now()
  process.kill(process.pid, 'SIGSTOP')
  while (performance.now() - since < leaseSeconds * 1000);
}

await createWorker({
  ...context,
  database: {
    ...database,
    runs: {
      ...runs,
      async start (draft) {
        await runs.start(draft)
        if (!hasStoodStill) standStill()
      },
      async end (ended) {
        await runs.end(ended)
        say('ended')
      }
    }
  }
}).start()
