// The demo's main: starts the service, launches two diagnostics and shows what they found. scripts/demo.sh sets up what it needs.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { builtToolbox, clusterOfLab, clusterOfUser, type DemoCluster } from './demo/cluster.ts'
import { launchDemo } from './demo/launch.ts'
import { startServer } from './demo/server.ts'
import { keepRequesting } from './demo/traffic.ts'

const { values } = parseArgs({
  options: {
    once: { type: 'boolean', default: false },
    port: { type: 'string', default: '8090' },
    context: { type: 'string' },
    namespace: { type: 'string' },
    pod: { type: 'string' },
    image: { type: 'string' },
    help: { type: 'boolean', short: 'h' }
  }
})

function chooseCluster (): DemoCluster {
  const { context, namespace, pod, image } = values
  if (context === undefined) {
    if (namespace ?? pod ?? image) throw new Error('--namespace, --pod and --image go with --context')
    return clusterOfLab()
  }
  if (!namespace || !pod) throw new Error('--context takes --namespace and --pod as well: nothing is touched that was not named')
  return clusterOfUser({ context, namespace, pod, image: image ?? builtToolbox() })
}

async function main (): Promise<void> {
  const port = Number(values.port)
  if (!Number.isInteger(port) || port < 1 || port > 65535) throw new Error(`Cannot serve on port "${values.port}": give a number from 1 to 65535`)
  const cluster = chooseCluster()
  const token = process.env.EPHEMERA_TOKEN ?? randomBytes(24).toString('base64url')
  const server = await startServer({ port, token, environment: cluster.environment })
  const stopTraffic = cluster.address === null ? () => {} : keepRequesting(cluster.address)
  try {
    await launchDemo({ url: server.url, token, cluster })
    stopTraffic()
    if (values.once) return
    console.log('\nServing until Ctrl-C.')
    await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM'), server.ended])
  } finally {
    stopTraffic()
    await server.stop()
  }
}

main().catch((error: Error) => {
  console.error(`error: ${error.message}`)
  process.exitCode = 1
})
