import { setTimeout as delay } from 'node:timers/promises'
import { Problem } from '#core/errors.ts'
import type { AuditEvent, Database, RunDraft, SessionDraft } from '#core/ports/storage.ts'
import type { Artifact, Run, Segment } from '#core/run.ts'
import type { Session } from '#core/session.ts'
import { createFakeJobs } from './fake-jobs.ts'

const now = () => new Date().toISOString()
const page = <T>(items: T[]) => ({ items, nextCursor: null })

/** A database in memory, for one test; `isDown` makes every call of it reject as an unreachable one does. */
export function createFakeDatabase () {
  const sessions = new Map<string, Session & { shared: string | null }>()
  const runs = new Map<string, { draft: RunDraft, run: Run, output: { stdout: Buffer, stderr: Buffer } }>()
  const artifacts = new Map<string, { artifact: Artifact, segments: Segment[], pending: Set<string> }>()
  const growing = (id: string) => {
    const stored = artifacts.get(id)!
    if (stored.artifact.state !== 'growing') throw new Problem('EPH_CONFLICT', `Cannot extend artifact "${id}": it is sealed`)
    return stored
  }
  const audit: AuditEvent[] = []
  const leases = new Map<string, string>()
  const state = { isDown: false, startRunMs: 0 }

  const runsOf = (podId: string): Run[] => [...runs.values()].filter(({ draft }) => draft.jobPodId === podId).map(({ run }) => run)
  const jobs = createFakeJobs({
    endRun: ended => stores.runs.end(ended),
    describe (podId, attached) {
      const session = attached && sessions.get(attached.id)
      return {
        session: session ? { ...session, reused: attached.reused } : null,
        runs: runsOf(podId)
      }
    }
  })

  const toSession = ({ id, pod, sharedContainer, openedBy, ...draft }: SessionDraft) => ({
    ...draft,
    id,
    shared: sharedContainer,
    namespace: pod.namespace,
    pod: pod.name,
    podUid: pod.uid,
    node: pod.node,
    targetContainer: sharedContainer,
    state: 'opening' as Session['state'],
    openedAt: now(),
    openedBy,
    lastUsedAt: now(),
    usedBy: [openedBy],
    runCount: 0,
    closedAt: null,
    closedReason: null
  })

  const stores: Omit<Database, 'check' | 'close'> = {
    jobs: jobs.store,
    sessions: {
      async findLiving ({ podUid, imageDigests, profile, sharedContainer, purpose }) {
        const fitting = [...sessions.values()].filter(session => session.state !== 'closed' && session.podUid === podUid && session.profile === profile &&
          imageDigests.includes(session.imageDigest) && session.shared === sharedContainer && session.purpose === purpose)
        const [best] = fitting.sort((a, b) => imageDigests.indexOf(a.imageDigest) - imageDigests.indexOf(b.imageDigest))
        return best ? { ...best } : null
      },
      async open (draft) {
        const session = toSession(draft)
        sessions.set(draft.id, session)
        return { ...session }
      },
      opened: async id => { sessions.get(id)!.state = 'open' },
      async close (id, reason) { Object.assign(sessions.get(id)!, { state: 'closed', closedAt: now(), closedReason: reason }) },
      find: async id => sessions.get(id) ?? null,
      list: async ({ namespaces }) => page([...sessions.values()].filter(({ namespace }) => namespaces?.includes(namespace) ?? true))
    },
    runs: {
      async start (draft) {
        // A tool may be quicker than this.
        await delay(state.startRunMs)
        jobs.attach(draft.jobPodId, { id: draft.sessionId, reused: draft.reused })
        const { namespace, name: pod, uid: podUid } = jobs.podOf(draft.jobPodId)
        const run: Run = {
          ...draft,
          namespace,
          pod,
          podUid,
          startedAt: null,
          endedAt: null,
          durationMs: null,
          exitCode: null,
          signal: null,
          endCause: null,
          completeness: null,
          streams: [],
          artifacts: []
        }
        runs.set(draft.id, { draft, run, output: { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) } })
      },
      async started (id) {
        const { run } = runs.get(id)!
        run.startedAt = now()
        jobs.emit(run.jobId, 'run', { runId: id, phase: 'started' })
      },
      async append ({ id, jobId }, stream, offset, bytes) {
        const { run, output } = runs.get(id) ?? {}
        if (!run || !output) throw new Problem('EPH_CONFLICT', `Cannot store output of run "${id}": there is none`)
        if (run.endedAt) throw new Problem('EPH_CONFLICT', `Cannot store output of run "${id}": it has ended`)
        if (output[stream].length !== offset) throw new Error(`A hole in ${stream}: ${output[stream].length} bytes are stored, ${offset} follows`)
        output[stream] = Buffer.concat([output[stream], bytes])
        jobs.emit(jobId, 'output', { runId: id, stream, offset, bytes: bytes.length })
      },
      async end ({ id, result: { unwritten, ...result } }) {
        const { run, output } = runs.get(id)!
        if (run.endedAt) return
        if (unwritten?.started && !run.startedAt) {
          run.startedAt = now()
          jobs.emit(run.jobId, 'run', { runId: id, phase: 'started' })
        }
        for (const { stream, offset, bytes } of unwritten?.output ?? []) {
          if (output[stream].length !== offset) throw new Error(`A hole in ${stream}: ${output[stream].length} bytes are stored, ${offset} follows`)
          output[stream] = Buffer.concat([output[stream], bytes])
          jobs.emit(run.jobId, 'output', { runId: id, stream, offset, bytes: bytes.length })
        }
        Object.assign(run, result, { endedAt: now() })
        jobs.emit(run.jobId, 'run', { runId: id, phase: 'ended', endCause: result.endCause })
      },
      find: async id => runs.get(id)?.run ?? null,
      list: async ({ namespaces }) =>
        page([...runs.values()].map(({ run }) => run).filter(({ namespace }) => namespaces?.includes(namespace) ?? true)),
      output: async ({ id }, stream, offset, maxBytes) => runs.get(id)!.output[stream].subarray(offset, offset + maxBytes)
    },
    artifacts: {
      async create ({ id, runId, jobId, kind, contentType }) {
        const { run: { namespace, pod, podUid, artifacts: links } } = runs.get(runId)!
        const begun = { state: 'growing' as const, sizeBytes: 0, sha256: null, completeness: null, createdAt: now(), sealedAt: null }
        const artifact: Artifact = { id, runId, jobId, namespace, pod, podUid, kind, contentType, ...begun }
        artifacts.set(id, { artifact, segments: [], pending: new Set() })
        links.push(artifact)
        jobs.emit(jobId, 'artifact', { artifactId: id, phase: 'growing' })
      },
      async announce (id, key) { growing(id).pending.add(key) },
      async strays () {
        const sealed = [...artifacts.values()].filter(({ artifact: { state } }) => state === 'sealed')
        return sealed.flatMap(({ artifact, pending }) => [...pending].map(key => ({ artifactId: artifact.id, key })))
      },
      async forget (id, key) { artifacts.get(id)!.pending.delete(key) },
      async addSegment (id, segment) {
        const { artifact, segments, pending } = growing(id)
        pending.delete(segment.key)
        if (segment.offset !== artifact.sizeBytes) throw new Error(`A hole in the artifact before ${segment.offset}`)
        segments.push(segment)
        artifact.sizeBytes += segment.sizeBytes
        jobs.emit(artifact.jobId, 'artifact', { artifactId: id })
      },
      async seal (id, sizeBytes, sha256, completeness) {
        Object.assign(artifacts.get(id)!.artifact, { state: 'sealed', sizeBytes, sha256, completeness, sealedAt: now() })
      },
      find: async id => artifacts.get(id)?.artifact ?? null,
      list: async () => page([...artifacts.values()].map(({ artifact }) => artifact)),
      segments: async (id, offset) => artifacts.get(id)!.segments.filter(segment => segment.offset + segment.sizeBytes > offset)
    },
    leases: {
      async acquire (name, holder) {
        const other = leases.get(name)
        if (other === undefined) leases.set(name, holder)
        return other === undefined || other === holder
      },
      async takePlace (name, holder, _seconds, width) {
        const place = Array.from({ length: width }, (_, index) => `${name}#${index + 1}`).find(place => !leases.has(place)) ?? null
        if (place !== null) leases.set(place, holder)
        return place
      },
      async release (name, holder) { if (leases.get(name) === holder) leases.delete(name) }
    },
    audit: { record: async event => { audit.push(event) } }
  }

  const unlessDown = <S extends object>(store: S): S => new Proxy(store, {
    get (target, name, receiver) {
      const method: unknown = Reflect.get(target, name, receiver)
      if (typeof method !== 'function' || name === 'watch') return method
      return async (...args: unknown[]) => {
        if (state.isDown) throw new Problem('EPH_DATABASE_UNAVAILABLE', 'Cannot reach the database: it does not answer')
        return await method.apply(target, args)
      }
    }
  })
  const database: Database = {
    jobs: unlessDown(stores.jobs),
    sessions: unlessDown(stores.sessions),
    runs: unlessDown(stores.runs),
    artifacts: unlessDown(stores.artifacts),
    leases: unlessDown(stores.leases),
    audit: unlessDown(stores.audit),
    check: async () => {},
    close: async () => {}
  }
  return { database, state, jobs, sessions, runs, artifacts, leases, audit }
}
export type FakeDatabase = ReturnType<typeof createFakeDatabase>
