import { defineConfig } from 'prisma/config'

// These commands need no schema engine, but would try to download one first.
if (['generate', 'validate', 'format'].some(command => process.argv.includes(command))) {
  process.env.PRISMA_SCHEMA_ENGINE_BINARY ??= process.execPath
}

export default defineConfig({
  schema: 'prisma/schema.prisma',
  migrations: { path: 'prisma/migrations' },
  ...(process.env.DATABASE_DIRECT_URL ? { datasource: { url: process.env.DATABASE_DIRECT_URL } } : {})
})
