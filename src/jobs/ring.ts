import { perObject } from '#core/per-object.ts'
import type { Context } from './context.ts'
import { tellOnce } from './tell-once.ts'

type Ringer = Pick<Context, 'wake' | 'log' | 'count'>

const lossesOf = perObject(({ log }: Ringer) =>
  tellOnce(error => { log.warn({ err: error }, 'Cannot ring for work; until that works again the next sweep finds it') }))

/** Rings without waiting for it: a ring that is late or lost loses nothing, the sweep finds what is due. */
export function ring (context: Ringer): void {
  const losses = lossesOf(context)
  context.wake.ring().then(losses.worked, (error: unknown) => {
    context.count('ephemera_rings_lost_total')
    losses.failed(error)
  })
}
