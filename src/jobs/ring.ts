import { perObject } from '#core/per-object.ts'
import type { Wake } from '#core/ports/wake.ts'
import type { Context } from './context.ts'

/** Whether the last ring was lost: one line for all that are lost in a row. */
const lossOf = perObject((_: Wake) => ({ isTold: false }))

/** Rings without waiting for it: a ring that is late or lost loses nothing, the sweep finds what is due. */
export function ring ({ wake, log, count }: Pick<Context, 'wake' | 'log' | 'count'>): void {
  const loss = lossOf(wake)
  wake.ring().then(() => { loss.isTold = false }, (error: unknown) => {
    count('ephemera_rings_lost_total')
    if (!loss.isTold) log.warn({ err: error }, 'Cannot ring for work; until that works again the next sweep finds it')
    loss.isTold = true
  })
}
