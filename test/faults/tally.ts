import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import { nodeAddress } from '../support/lab.ts'
import type { TallyAddress } from './commands.ts'

export interface Execution { word: string, pod: string, at: number }

/** Counts what runs in pods: each tool of this suite says its word here first. Gone with the test. */
export async function openTally (t: Test): Promise<{ address: TallyAddress, executions: Execution[] }> {
  const executions: Execution[] = []
  const server = createServer((request, response) => {
    const [, word = '', pod = ''] = request.url!.split('/')
    executions.push({ word, pod, at: Date.now() })
    response.setHeader('connection', 'close')
    response.end()
  })
  server.listen(0, nodeAddress)
  await once(server, 'listening')
  t.teardown(() => new Promise(resolve => server.close(resolve)))
  return { address: { host: nodeAddress, port: (server.address() as AddressInfo).port }, executions }
}
