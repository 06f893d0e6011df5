import http from 'node:http'

/** Some requests a second to the sample application, each on a connection of its own. Answers how to stop. */
export function keepRequesting (address: string): () => void {
  const agent = new http.Agent({ keepAlive: false })
  const timer = setInterval(() => {
    const request = http.get({ host: address, port: 8080, path: '/healthz', agent, timeout: 2000 }, response => response.resume())
    // The pod may be replaced while the demo runs; its capture then shows it.
    request.on('error', () => {}).on('timeout', () => request.destroy())
  }, 50)
  return () => { clearInterval(timer) }
}
