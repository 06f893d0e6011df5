import { Gauge, type Registry } from 'prom-client'
import { asProblem } from '#core/errors.ts'
import type { Log } from '#jobs/context.ts'

/** Called with the reason when a dependency is taken for away, and with null when it answers again. */
export type Changed = (why: unknown) => void

/** Says of each dependency, once, that it is away and that it is back: a line of the log, and a gauge from the start. */
export function createOutages (metrics: Registry, log: Log): (dependency: string) => Changed {
  const up = new Gauge({
    name: 'ephemera_dependency_up',
    help: '0 while calls to a dependency are refused, because it did not answer several in a row',
    labelNames: ['dependency'],
    registers: [metrics]
  })
  return dependency => {
    let since = 0
    up.set({ dependency }, 1)
    return why => {
      up.set({ dependency }, why === null ? 1 : 0)
      if (why !== null) {
        since = performance.now()
        log.warn({ dependency, reason: asProblem(why).message }, 'A dependency is away: what needs it is refused until it answers again')
      } else log.info({ dependency, seconds: Math.round((performance.now() - since) / 1000) }, 'A dependency answers again')
    }
  }
}
