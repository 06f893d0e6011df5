import scalar from '@scalar/fastify-api-reference'
import type { FastifyPluginAsync } from 'fastify'
import { randomBytes } from 'node:crypto'

/** The document as JSON, and a page that shows it and loads nothing from elsewhere. */
export const docs: FastifyPluginAsync = async app => {
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger())

  // The page starts by one inline script, which this nonce admits; what it shows is the same for everybody and holds nothing of a caller.
  const nonce = randomBytes(16).toString('base64')
  app.register(async page => {
    page.addHook('onSend', async (_request, reply) => {
      reply.header('content-security-policy', [
        "default-src 'none'", `script-src 'self' 'nonce-${nonce}'`, "style-src 'self' 'unsafe-inline'", "img-src 'self' data:", "font-src 'self' data:",
        "connect-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"
      ].join('; '))
    })
    await page.register(scalar, {
      routePrefix: '/docs',
      configuration: {
        url: '/openapi.json',
        pageTitle: 'Ephemera API',
        nonce,
        withDefaultFonts: false,
        telemetry: false,
        hideClientButton: true,
        showDeveloperTools: 'never',
        agent: { disabled: true },
        mcp: { disabled: true }
      }
    })
  })
}
