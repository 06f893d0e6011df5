import { EventEmitter } from 'node:events'
import { perObject } from '#core/per-object.ts'
import type { JobStore } from '#core/ports/storage.ts'

/** end: this process has ended a pod of the job; order: it was asked here to cancel or finish it. */
export type News = 'end' | 'order'

const emitterOf = perObject((_: JobStore) => new EventEmitter().setMaxListeners(0))

/** What happens to a job in this process is heard at once by who works in it too; everybody else looks when the job has changed. */
export function announce (jobs: JobStore, jobId: string, news: News): void {
  emitterOf(jobs).emit(`${news} ${jobId}`)
}

/** Answers how to stop. */
export function hear (jobs: JobStore, jobId: string, news: News, heard: () => void): () => void {
  const emitter = emitterOf(jobs)
  emitter.on(`${news} ${jobId}`, heard)
  return () => { emitter.off(`${news} ${jobId}`, heard) }
}
