import { execFileSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, isIP, type AddressInfo, type Socket } from 'node:net'
import type { Test } from 'tap'
import { metadataAddresses } from '#core/refused-addresses.ts'
import { inNetworkOf } from './container-processes.ts'
import { bridge, readPod } from './lab.ts'

export const canaryWord = 'canary'

export interface MetadataCanary {
  /** Packets that came from the pod so far, by the metadata address they were for. */
  packets (): Record<string, number>
}

const familyOf = (ip: string) => isIP(ip) === 6 ? 'ip6' : 'ip'
const nft = (input: string, ...args: string[]) => execFileSync('nft', args, { input, encoding: 'utf8' })

/**
 * Stands on the node for the metadata services of clouds, for one pod: every packet of it for one of their addresses is counted,
 * whatever it is, also where a Service led it there; TCP and UDP on any port are answered, and so are pings. The node and other pods
 * notice nothing. The pod gets an IPv6 route, for the lab has none. Gone with the test.
 */
export async function startMetadataCanary (t: Test, namespace: string, pod: string): Promise<MetadataCanary> {
  const tcp = createServer(socket => { socket.on('error', () => {}).end(canaryWord) }).listen(0, '::')
  const udp = createSocket('udp6').bind(0, '::')
  const open = new Set<Socket>()
  tcp.on('connection', socket => { open.add(socket) })
  udp.on('message', (_, { address, port }) => udp.send(canaryWord, port, address))
  await Promise.all([once(tcp, 'listening'), once(udp, 'listening')])
  t.teardown(() => {
    for (const socket of open) socket.destroy()
    tcp.close()
    udp.close()
  })

  const localAddress = (text: string) => /inet6 (fe80:[0-9a-f:]+)/.exec(text)![1]!
  const gateway = localAddress(execFileSync('ip', ['-6', 'address', 'show', 'dev', bridge, 'scope', 'link'], { encoding: 'utf8' }))
  const from = {
    ip: readPod(namespace, pod).status.podIP,
    ip6: localAddress(inNetworkOf(namespace, pod, ['ip', '-6', 'address', 'show', 'dev', 'eth0', 'scope', 'link']))
  }
  inNetworkOf(namespace, pod, ['ip', '-6', 'route', 'add', 'default', 'via', gateway, 'dev', 'eth0'])

  const table = `ephemera_canary_${process.pid}`
  const matches = metadataAddresses.map(ip => ({ ip, match: `${familyOf(ip)} saddr ${from[familyOf(ip)]} ${familyOf(ip)} daddr ${ip}` }))
  const counters = matches.map(({ ip, match }) => `${match} counter comment "${ip}"`).join('\n')
  nft(`table inet ${table} {
    chain sent {
      type filter hook prerouting priority -310;
      ${counters}
    }
    chain led {
      type filter hook postrouting priority 300;
      ${counters}
    }
    chain taken {
      type nat hook prerouting priority -110;
      ${matches.flatMap(({ match }) => [
        `${match} meta l4proto tcp redirect to :${(tcp.address() as AddressInfo).port}`,
        `${match} meta l4proto udp redirect to :${udp.address().port}`,
        `${match} redirect`
      ]).join('\n')}
    }
  }`, '-f', '-')
  t.teardown(() => { nft('', 'delete', 'table', 'inet', table) })

  return {
    packets () {
      const { nftables } = JSON.parse(nft('', '-j', 'list', 'table', 'inet', table)) as {
        nftables: { rule?: { comment: string, expr: { counter?: { packets: number } }[] } }[]
      }
      return Object.fromEntries(nftables.flatMap(({ rule }) => {
        const packets = rule?.expr.find(({ counter }) => counter)?.counter?.packets ?? 0
        return rule && packets > 0 ? [[rule.comment, packets]] : []
      }))
    }
  }
}
