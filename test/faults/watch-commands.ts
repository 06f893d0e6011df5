import { readdirSync, readFileSync } from 'node:fs'

const everyMs = 1000
const word = /w\d+x\d+x/

/** Words of the commands that run now in pods of the lab, whoever started them. */
export function runningWords (): Set<string> {
  const words = new Set<string>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      const found = word.exec(readFileSync(`/proc/${name}/cmdline`, 'latin1'))
      if (found) words.add(found[0])
    } catch {
      // it has ended meanwhile
    }
  }
  return words
}

/** Looks each second; answers when each command was last seen, in ms since the epoch. */
export function watchCommands (): { lastSeen: Map<string, number>, stop (): void } {
  const lastSeen = new Map<string, number>()
  const timer = setInterval(() => { for (const word of runningWords()) lastSeen.set(word, Date.now()) }, everyMs)
  return { lastSeen, stop: () => { clearInterval(timer) } }
}
