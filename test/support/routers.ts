import { execFileSync, spawn } from 'node:child_process'
import { randomBytes, randomInt } from 'node:crypto'
import { once } from 'node:events'
import { readlinkSync } from 'node:fs'
import type { Test } from 'tap'
import { until } from './until.ts'

export interface Router {
  /** Of its side towards the pods: what a trace shows. */
  address: string
  /** Its device on the side away from the pods; of the end, which has only one, that. */
  device: string
  /** Executes a program of the lab's host in its network. */
  run: (...argv: string[]) => string
}

export interface Routers {
  first: Router
  second: Router
  /** The host behind both. */
  end: Router
  /** An address that nobody has: the routers send packets for it to each other until a test gives the second one another route. */
  nobody: string
  /** Lets the end accept connections to a port of it, until the test ends. */
  listen: (port: number) => Promise<void>
  /** Adds a second link between the routers, to which the first one gives every other flow; answers the address of its far side. */
  fork: () => string
}

/** While the rule of iptables stands, and not longer: what fails beside it must pass without it. */
export async function withRule<T> ({ run }: Router, rule: string[], measure: () => Promise<T>): Promise<T> {
  run('iptables', '-A', ...rule)
  try {
    return await measure()
  } finally {
    run('iptables', '-D', ...rule)
  }
}

const networkOf = (pid: number | 'self'): string => readlinkSync(`/proc/${pid}/ns/net`)

function execute (pid: number | null, argv: string[]): string {
  const inNetwork = pid === null ? [] : ['--target', `${pid}`, '--net']
  return execFileSync('nsenter', [...inNetwork, ...argv], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}

/** A network that lives as long as the process which holds it, and that one ends with the test, also with one that is killed. */
async function makeNetwork (t: Test): Promise<number> {
  const holder = spawn('setpriv', ['--pdeathsig', 'KILL', 'unshare', '--net', 'sleep', 'infinity'], { stdio: 'ignore' })
  t.teardown(() => { holder.kill('SIGKILL') })
  const { pid } = holder
  if (pid === undefined) throw new Error('Cannot make a network: the host lacks setpriv')
  await until(() => networkOf(pid) !== networkOf('self'))
  return pid
}

/** Sixteen addresses of a prefix for documentation (RFC 5737) that no other test has at present. */
function takeAddresses (): (offset: number) => string {
  const free = Array.from({ length: 16 }, (_, index) => index * 16).filter(base => execute(null, ['ip', 'route', 'show', `198.51.100.${base}/28`]) === '')
  const base = free[randomInt(free.length)]
  if (base === undefined) throw new Error('Cannot make routers: every prefix is taken')
  return offset => `198.51.100.${base + offset}`
}

/**
 * A path of two routers that the pods of the lab reach through the node: pod, node, first, second, end. Devices, addresses and routes
 * belong to the networks, and are gone with them.
 */
export async function makeRouters (t: Test): Promise<Routers> {
  const tag = randomBytes(2).toString('hex')
  const at = takeAddresses()
  const networks = [null, await makeNetwork(t), await makeNetwork(t), await makeNetwork(t)]
  const join = (index: number): Router => {
    const [near, far] = [`eph-test-${tag}${index}a`, `eph-test-${tag}${index}b`]
    const [before, here] = [networks[index]!, networks[index + 1]!].map(pid => (...argv: string[]) => execute(pid, argv)) as [Router['run'], Router['run']]
    before('ip', 'link', 'add', near, 'type', 'veth', 'peer', 'name', far, 'netns', `${networks[index + 1]}`)
    before('ip', 'address', 'add', `${at(index * 4 + 1)}/30`, 'dev', near)
    before('ip', 'link', 'set', near, 'up')
    here('ip', 'address', 'add', `${at(index * 4 + 2)}/30`, 'dev', far)
    here('ip', 'link', 'set', far, 'up')
    here('ip', 'route', 'add', 'default', 'via', at(index * 4 + 1))
    // A router's own limit, one message a second, would hide it now and then. The node keeps its own.
    here('sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv4.icmp_ratelimit=0')
    return { address: at(index * 4 + 2), device: index === 2 ? far : `eph-test-${tag}${index + 1}a`, run: here }
  }
  const [first, second, end] = [join(0), join(1), join(2)]
  execute(null, ['ip', 'route', 'add', `${at(0)}/28`, 'via', first.address])
  first.run('ip', 'route', 'add', `${at(0)}/28`, 'via', second.address)
  const fork = () => {
    const [near, far] = [`eph-test-${tag}3a`, `eph-test-${tag}3b`]
    first.run('ip', 'link', 'add', near, 'type', 'veth', 'peer', 'name', far, 'netns', `${networks[2]}`)
    first.run('ip', 'address', 'add', `${at(12)}/31`, 'dev', near)
    first.run('ip', 'link', 'set', near, 'up')
    second.run('ip', 'address', 'add', `${at(13)}/31`, 'dev', far)
    second.run('ip', 'link', 'set', far, 'up')
    // By ports, not only by addresses; and answered by the address of the link that a packet came in by.
    first.run('sysctl', '-qw', 'net.ipv4.fib_multipath_hash_policy=1')
    second.run('sysctl', '-qw', 'net.ipv4.icmp_errors_use_inbound_ifaddr=1')
    first.run('ip', 'route', 'replace', `${at(0)}/28`, 'nexthop', 'via', second.address, 'nexthop', 'via', at(13))
    return at(13)
  }
  const listen = async (port: number) => {
    const program = `require('node:net').createServer(socket => socket.end()).listen(${port}, () => console.log('listening'))`
    const server = spawn('nsenter', ['--target', `${networks[3]}`, '--net', 'setpriv', '--pdeathsig', 'KILL', process.execPath, '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'], env: {} // nothing of the test runner is to be loaded
    })
    t.teardown(() => { server.kill('SIGKILL') })
    await once(server.stdout, 'data')
  }
  return { first, second, end, nobody: at(14), fork, listen }
}
