import type { Context } from './context.ts'

/** Rings without waiting for it: a ring that is late or lost loses nothing, the sweep finds what is due. */
export function ring ({ wake, log }: Pick<Context, 'wake' | 'log'>): void {
  wake.ring().catch((error: unknown) => { log.warn({ err: error }, 'Cannot ring for work; the next sweep finds it') })
}
