import { Type, type TSchema } from 'typebox'

/** Null is the only union that schemas may use: GraphQL says it as a nullable type. What the schema describes is said of the whole. */
export const OrNull = <T extends TSchema & { description?: string }>(schema: T) =>
  Type.Union([schema, Type.Null()], schema.description === undefined ? {} : { description: schema.description })

/** DNS-1123 label: namespaces, containers. Checked before any name meets a URL: the cluster client does not encode all of them. */
export const dnsLabel = '^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$'

/** DNS-1123 subdomain: pods, Services, workloads. */
export const dnsSubdomain = '^(?=.{1,253}$)[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$'

/** Diagnostics, images of the operator's list. */
export const shortName = '^[a-z0-9][a-z0-9-]{0,62}$'

/** Labels of a job: written as those of Kubernetes, but a key is at most 63 long with its prefix. */
export const labelKey = '^[A-Za-z0-9](?:[A-Za-z0-9_./-]{0,61}[A-Za-z0-9])?$'
export const labelValue = '^(?:[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$'

export const uuid = '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'

/** Free text that is stored: Postgres takes no NUL. */
export const withoutNul = '^[^\\u0000]*$'

/** Text of one line. */
export const withoutControls = '^[^\\u0000-\\u001f\\u007f]*$'

export const Namespace = Type.String({ pattern: dnsLabel, description: 'Name of a namespace' })
export const ObjectName = Type.String({ pattern: dnsSubdomain, maxLength: 253, description: 'Name of a Kubernetes object' })
export const ContainerName = Type.String({ pattern: dnsLabel, description: 'Name of a container' })
export const Id = Type.String({ pattern: uuid, description: 'UUIDv7' })
export const Time = Type.String({ format: 'date-time', description: 'RFC 3339' })
