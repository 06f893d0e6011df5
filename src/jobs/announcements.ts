import { EventEmitter } from 'node:events'
import type { JobStore } from '#core/ports/storage.ts'

/** end: this process has ended a pod of the job; order: it was asked here to cancel or finish it. */
export type News = 'end' | 'order'

const emitters = new WeakMap<JobStore, EventEmitter>()

function emitterOf (jobs: JobStore): EventEmitter {
  let emitter = emitters.get(jobs)
  if (!emitter) emitters.set(jobs, emitter = new EventEmitter().setMaxListeners(0))
  return emitter
}

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
