import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Job } from '#core/job.ts'
import type { DemoCluster } from './cluster.ts'

interface Demo { url: string, token: string, cluster: DemoCluster }

/** Launches dns-lookup and packet-capture, and prints what each found and how to see it again. */
export async function launchDemo ({ url, token, cluster: { namespace, pod, names } }: Demo): Promise<void> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json', prefer: 'wait=50' }

  async function launch (diagnostic: string, params: Record<string, unknown>): Promise<Job> {
    const body = JSON.stringify({ diagnostic, target: { namespace, pod }, params, reason: 'demo' })
    const response = await fetch(`${url}/v1/jobs`, { method: 'POST', headers, body })
    const answer = await response.json() as Job & { code?: string, detail?: string }
    if (!response.ok) throw new Error(`${diagnostic} was refused with ${answer.code}: ${answer.detail}`)
    return answer
  }

  console.log(`\nEphemera looks into ${namespace}/${pod}\n`)
  const lookup = await launch('dns-lookup', { names })
  show(lookup)
  const capture = await launch('packet-capture', { durationSeconds: 5 })
  show(capture)

  const artifact = capture.pods.items[0]?.runs[0]?.artifacts[0]
  if (artifact) {
    const content = await fetch(`${url}/v1/artifacts/${artifact.id}/content`, { headers: { authorization: headers.authorization } })
    const file = join('.data', 'demo', `${capture.id}.pcap`)
    await mkdir(join('.data', 'demo'), { recursive: true })
    await writeFile(file, Buffer.from(await content.arrayBuffer()))
    console.log(`\npcap       ${file}   ${artifact.sizeBytes} bytes, sha256 ${artifact.sha256}`)
  }
  console.log(`container  ${[lookup, capture].map(job => job.pods.items[0]?.session?.ephemeralContainer).join(' and ')}`)
  console.log(`\nHistory:\n  TOKEN=${token}`)
  console.log(`  curl -H "Authorization: Bearer $TOKEN" '${url}/v1/jobs?namespace=${namespace}'`)
  console.log(`  curl -H "Authorization: Bearer $TOKEN" -H 'Accept: text/plain' ${url}${lookup.url}`)
  console.log(`  curl -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' ${url}/graphql \\`)
  console.log('    -d \'{"query": "{ jobs(first: 5) { nodes { id diagnostic state verdict } } }"}\'')
  console.log(`  ${url}/docs`)
}

function show (job: Job): void {
  const took = job.finishedAt && job.startedAt ? `${Date.parse(job.finishedAt) - Date.parse(job.startedAt)} ms` : '-'
  console.log(`${job.diagnostic.padEnd(15)} ${job.state}, verdict ${job.verdict}, ${took}`)
  for (const finding of job.findings) console.log(`${''.padEnd(15)} ${finding.severity} ${finding.code}: ${finding.message}`)
  if (job.error) console.log(`${''.padEnd(15)} ${job.error.code}: ${job.error.message}`)
}
