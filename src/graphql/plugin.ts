import type { FastifyPluginAsync } from 'fastify'
export const graphql: FastifyPluginAsync<Record<string, unknown>> = async () => {}
