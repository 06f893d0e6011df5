/** The same address, reached through a proxy on loopback. */
export function through (url: string, { port }: { port: number }): string {
  const changed = new URL(url)
  changed.hostname = '127.0.0.1'
  changed.port = `${port}`
  return changed.href
}
