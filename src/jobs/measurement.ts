import type { AnyDiagnostic } from '#core/diagnostic.ts'
import type { Claim } from '#core/ports/storage.ts'
import type { PodSummary } from '#core/target.ts'
import type { Acquired } from './acquire-session.ts'
import type { Context } from './context.ts'
import type { Hold } from './hold.ts'
import type { LastRun } from './last-run.ts'
import type { MemoryBudget } from './memory-budget.ts'
import type { Orders } from './orders.ts'

/** One claim at work: what its runs share. */
export interface Measurement extends Pick<Context, 'database' | 'bucket' | 'policy' | 'log' | 'authority' | 'reader' | 'catalogue'> {
  claim: Claim
  hold: Hold
  diagnostic: AnyDiagnostic
  pod: PodSummary
  targetContainer: string
  acquired: Acquired
  orders: Orders
  budget: MemoryBudget
  /** When the whole measurement must have ended, in milliseconds of performance.now(). */
  deadline: number
  lastRun: LastRun
  /** Runs in the order of the probe's calls, as evidence counts them. */
  runIds: string[]
  /** The report as far as proven runs gave it, where the diagnostic sets it aside. */
  kept: Record<string, unknown> | null
  /** Adds an event that no store writes by itself; they are written in this order, and before the pod's end. */
  note (type: string, data: Record<string, unknown>): void
}
