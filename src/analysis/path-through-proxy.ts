import type { FindingDefinition } from '#core/diagnostic.ts'

/** Of every diagnostic that connects. */
export const pathThroughProxy: FindingDefinition = {
  severity: 'unknown',
  title: 'A proxy in the pod accepted the connection',
  meaning: 'The proxy of a service mesh accepts every connection of the pod; whether the other side does is not known',
  remedy: 'Look at the proxy\'s log or statistics, or measure from a pod without it'
}
