// Opens the database of its argument, watches a job, and says a line each time that the job may have changed.
import { createDatabase } from '../../src/storage/database.ts'

const [, , url, jobId] = process.argv
const { jobs } = await createDatabase({ url: url! })
jobs.watch(jobId!, () => { process.stdout.write('changed\n') })
process.stdout.write('ready\n')
