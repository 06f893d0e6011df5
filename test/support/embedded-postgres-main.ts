// Starts the embedded Postgres in the folder of its argument, says where it is, and lives until it is killed.
import { startEmbeddedPostgres } from '../../src/storage/embedded-postgres.ts'

const { url, pid } = await startEmbeddedPostgres({ folder: process.argv[2]! })
process.stdout.write(`${JSON.stringify({ url, pid })}\n`)
