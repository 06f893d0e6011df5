import envSchema from 'env-schema'
import { existsSync } from 'node:fs'
import { isIP } from 'node:net'
import { Type, type Static } from 'typebox'
import type { ImageEntry } from '#core/preflight.ts'

const serviceAccountToken = '/var/run/secrets/kubernetes.io/serviceaccount/token'

const text = (description: string) => Type.Optional(Type.String({ minLength: 1, description }))
const list = (description: string, value: string) => Type.String({ default: value, description: `${description}; separated by commas` })
const flag = (description: string, value: boolean) => Type.Boolean({ default: value, description })
const count = (description: string, value: number, minimum = 1, maximum = 1_000_000) =>
  Type.Integer({ default: value, minimum, maximum, description })

/** The environment, whole: what is not here is not a setting. */
export const Environment = Type.Object({
  EPHEMERA_IMAGES: Type.String({
    minLength: 1,
    description: 'Images that may be injected, as name=repository@sha256:…; separated by commas. "toolbox" is the default image. ' +
      'After a | stands the previous digest of a name, whose living sessions are still used'
  }),
  EPHEMERA_HOST: text('Address to listen on; by default every one inside a cluster, 127.0.0.1 outside'),
  EPHEMERA_PORT: count('Port to listen on', 8090, 0, 65535),
  EPHEMERA_AUTH: Type.Optional(Type.Enum(['kubernetes', 'local'], {
    description: 'kubernetes: callers bring Kubernetes tokens (the default inside a cluster). local: one token, which acts as the kubeconfig\'s own identity, on loopback only'
  })),
  EPHEMERA_TOKEN: Type.Optional(Type.String({
    minLength: 16, pattern: '^[\\x21-\\x2b\\x2d-\\x7e]+$', description: 'With local: the token; by default one is made and printed'
  })),
  EPHEMERA_AUDIENCES: list('Audiences that Kubernetes tokens may be made for. Add the API server\'s own to take its tokens too', 'ephemera'),
  EPHEMERA_WORK: flag('Whether the server also measures; false where workers run beside it', true),
  EPHEMERA_CLUSTER: Type.String({ default: 'local', minLength: 1, description: 'Name of the cluster, as jobs show it' }),
  EPHEMERA_KUBECONFIG: text('Kubeconfig to use instead of the ServiceAccount, KUBECONFIG or ~/.kube/config'),
  EPHEMERA_CONTEXT: text('Context of the kubeconfig; by default its current one'),
  EPHEMERA_DATA_DIR: Type.String({ default: '.data', minLength: 1, description: 'Folder of the embedded Postgres and of artifacts, where no other place is set' }),
  EPHEMERA_LOG_LEVEL: Type.Enum(['trace', 'debug', 'info', 'warn', 'error', 'silent'], { default: 'info', description: 'Least level that is logged' }),
  DATABASE_URL: text('Postgres, as postgres://user:password@host/database; by default an embedded one is started'),
  DATABASE_DIRECT_URL: text('The same Postgres past a pooler, for LISTEN and migrations'),
  EPHEMERA_DATABASE_CONNECTIONS: count('Connections to Postgres at the most, beside the one that listens', 10, 2, 200),
  REDIS_URL: text('Redis for wake-ups, as redis://:password@host:6379; by default Postgres wakes by NOTIFY'),
  S3_BUCKET: text('Bucket for artifacts; by default they are kept in a folder. Keys come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the machine\'s role'),
  S3_ENDPOINT: text('Address of an S3-compatible server other than AWS'),
  S3_REGION: Type.String({ default: 'us-east-1', minLength: 1, description: 'Region of the bucket' }),
  S3_PREFIX: text('What keys in the bucket begin with'),
  EPHEMERA_BUDGET: count('Ephemeral containers of ours that a pod may ever get', 10, 1, 100),
  EPHEMERA_REFUSED_NAMESPACES: list('Namespaces that are never looked into', 'kube-system'),
  EPHEMERA_NAMESPACES: list('Namespaces in which our account has its rights, where it has them not everywhere; capabilities ask there', ''),
  EPHEMERA_ALLOW_HOST_NETWORK: flag('Whether pods that use the network of their node may be looked into', false),
  EPHEMERA_ALLOW_HOST_PID: flag('Whether pods that see the processes of their node may be looked into', false),
  EPHEMERA_CONCURRENCY: count('Pods that this process measures at the same time', 64, 1, 512),
  EPHEMERA_LIMIT_CALLER: count('Pods measured at the same time for one caller, over all processes', 10),
  EPHEMERA_LIMIT_NAMESPACE: count('The same for one namespace', 20),
  EPHEMERA_LIMIT_NODE: count('The same for one node', 20),
  EPHEMERA_LIMIT_CAPTURES: count('Captures in one pod at the same time, over all processes; others wait in the queue', 1),
  EPHEMERA_LIMIT_QUEUED: count('Pods that may wait for one caller; a launch beyond is refused with EPH_QUOTA', 2000),
  EPHEMERA_LIMIT_OPENINGS: count('Injections and openings of channels on one node at the same time, over all processes', 8, 1, 1000),
  EPHEMERA_LEASE_SECONDS: count('How long a worker that is silent keeps what it measures', 30, 15, 600),
  EPHEMERA_STALL_SECONDS: count('How long the store may take nothing before a capture is given up', 120, 1, 3600),
  EPHEMERA_LEAVE_SECONDS: count('How long the server goes on answering when it was told to stop, while /readyz says no: until whoever distributes requests has noticed', 0, 0, 60),
  EPHEMERA_SHUTDOWN_GRACE_SECONDS: count('How long tools and captures may go on, to end by themselves, when the service stops', 20, 0, 600),
  EPHEMERA_REQUESTS_PER_MINUTE: count('Requests of one caller, at each replica', 6000)
})
export type Environment = Static<typeof Environment>

export interface Config {
  environment: Environment
  host: string
  auth: 'kubernetes' | 'local'
  images: ImageEntry[]
  audiences: string[]
  namespaces: string[]
  refusedNamespaces: string[]
  /** Variables that look like settings of ours and are none: most likely misspelt. */
  unknown: string[]
}

const itemsOf = (value: string) => value.split(',').map(item => item.trim()).filter(item => item !== '')

function imageOf (item: string): ImageEntry {
  const [, name, references] = /^([a-z0-9][a-z0-9-]{0,62})=(.+)$/.exec(item) ?? []
  const entry = name !== undefined && references !== undefined && { name, references: references.split('|') }
  if (entry && entry.references.every(reference => /^[\w.:/-]+@sha256:[0-9a-f]{64}$/.test(reference))) return entry
  throw new Error(`Cannot use EPHEMERA_IMAGES: "${item}" is not name=repository@sha256:<64 hexadecimal digits>`)
}

function imagesOf (value: string): ImageEntry[] {
  const images = itemsOf(value).map(imageOf)
  const names = images.map(({ name }) => name)
  if (!names.includes('toolbox')) throw new Error('Cannot use EPHEMERA_IMAGES: it has no image "toolbox", which launches use by default')
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) throw new Error(`Cannot use EPHEMERA_IMAGES: it names "${twice}" twice`)
  return images
}

const isLoopback = (host: string) => host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))

/** Also what Kubernetes sets for a Service named ephemera, and what belongs to the lab and the tests. */
const notSettings = /^EPHEMERA_(?:SERVICE_|PORT_|LAB_|TEST_)/

function checkEnvironment (data: Record<string, string | undefined>): Environment {
  try {
    return envSchema<Environment>({ schema: Environment, env: false, data })
  } catch (error) {
    // It speaks of the object "env" and its parts.
    const what = (error as Error).message.replaceAll(/env must have required property '(\w+)'/g, '$1 is missing').replaceAll('env/', '')
    throw new Error(`Cannot read the settings: ${what}`, { cause: error })
  }
}

/** Reads the environment; throws an Error that names what is wrong. An empty variable is one that is not set. */
export function readConfig (environment: NodeJS.ProcessEnv): Config {
  const data = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== undefined && value !== ''))
  const read = checkEnvironment(data)
  const isInside = read.EPHEMERA_KUBECONFIG === undefined && read.EPHEMERA_CONTEXT === undefined &&
    data.KUBERNETES_SERVICE_HOST !== undefined && existsSync(serviceAccountToken)
  const auth = read.EPHEMERA_AUTH ?? (isInside ? 'kubernetes' : 'local')
  const host = read.EPHEMERA_HOST ?? (isInside ? '0.0.0.0' : '127.0.0.1')
  if (auth === 'local' && !isLoopback(host)) {
    throw new Error(`Cannot listen on EPHEMERA_HOST "${host}": with EPHEMERA_AUTH=local only loopback is allowed, as its token acts as the kubeconfig's own identity`)
  }
  if (auth === 'kubernetes' && read.EPHEMERA_TOKEN !== undefined) {
    throw new Error('Cannot use EPHEMERA_TOKEN: with EPHEMERA_AUTH=kubernetes callers bring their own tokens')
  }
  const audiences = itemsOf(read.EPHEMERA_AUDIENCES)
  if (audiences.length === 0) throw new Error('Cannot use EPHEMERA_AUDIENCES: it names none, so no token would be taken')
  return {
    environment: read,
    auth,
    host,
    images: imagesOf(read.EPHEMERA_IMAGES),
    audiences,
    namespaces: itemsOf(read.EPHEMERA_NAMESPACES),
    refusedNamespaces: itemsOf(read.EPHEMERA_REFUSED_NAMESPACES),
    unknown: Object.keys(data).filter(name => name.startsWith('EPHEMERA_') && !(name in Environment.properties) && !notSettings.test(name))
  }
}
