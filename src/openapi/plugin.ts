import swagger from '@fastify/swagger'
import type { FastifySchema } from 'fastify'
import fp from 'fastify-plugin'
import packageJson from '../../package.json' with { type: 'json' }
import { addNamedSchemas, nameSchemas } from './name-schemas.ts'

const tags = {
  jobs: 'Launch diagnostics and read what they found',
  sessions: 'Our ephemeral containers',
  runs: 'What was executed, and its output',
  artifacts: 'Stored streams',
  diagnostics: 'The catalogue',
  targets: 'Where a diagnostic can be launched',
  identity: 'Who calls, and what works here',
  problems: 'Errors explained',
  health: 'For probes and Prometheus'
}

const description = `Network diagnostics in ephemeral containers of live Kubernetes pods, with evidence that is complete or says that it is not.

Errors are \`application/problem+json\` (RFC 9457) with a stable \`code\`; each is explained at \`/problems/{code}\`. Lists are keyset-paged.
Open sets, of which callers ignore what they do not know: codes, diagnostics, event types, artifact kinds, authMethod.`

/** Collects the document while routes are registered: comes before them. */
export const openapi = fp(async app => {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Ephemera', version: packageJson.version, description, license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
      servers: [{ url: '/', description: 'This service' }],
      tags: Object.entries(tags).map(([name, description]) => ({ name, description })),
      security: [{ bearer: [] }],
      components: {
        securitySchemes: {
          bearer: { type: 'http', scheme: 'bearer', description: 'A Kubernetes token with the audience `ephemera`, or the token that a local service prints' }
        }
      }
    },
    transform ({ schema: { readsHeaders, ...schema }, url }) {
      return { schema: nameSchemas({ ...schema, ...(readsHeaders && { headers: readsHeaders }) }) as FastifySchema, url }
    },
    transformObject: document => 'openapiObject' in document ? addNamedSchemas(document.openapiObject) : document.swaggerObject
  })
}, { name: 'openapi' })
