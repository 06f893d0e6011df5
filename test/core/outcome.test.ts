import t from 'tap'
import { errorTable } from '#core/errors.ts'
import { endCauses, outcomes, settleCause, truncationReasons, type EndCause } from '#core/outcome.ts'

/** What the documentation promises of each end of a run: state of the pod, code, completeness, whether another attempt may follow. */
const promised: Record<EndCause, string> = {
  exited: 'succeeded - complete once',
  finished: 'succeeded - complete once',
  limit: 'succeeded EPH_OUTPUT_LIMIT truncated(limit) once',
  unproven: 'succeeded EPH_OUTPUT_UNREADABLE truncated(unproven) once',
  deadline: 'failed EPH_RUN_TIMEOUT truncated(deadline) once',
  cancelled: 'cancelled EPH_CANCELLED truncated(cancelled) once',
  oom: 'failed EPH_OUT_OF_MEMORY truncated(killed) once',
  killed: 'failed EPH_TOOL_KILLED truncated(killed) once',
  disconnected: 'failed EPH_INDETERMINATE truncated(disconnected) again',
  shutdown: 'failed EPH_SHUTDOWN truncated(shutdown) again',
  stalled: 'failed EPH_STORE_STALLED truncated(backpressure) once'
}

t.test('each end of a run has the outcome that is promised', t => {
  t.same(Object.keys(outcomes).sort(), [...endCauses].sort())
  for (const cause of endCauses) {
    const { podState, code, completeness: { state, reason }, retry } = outcomes[cause]
    const completeness = reason === null ? state : `${state}(${reason})`
    t.equal(`${podState} ${code ?? '-'} ${completeness} ${retry ? 'again' : 'once'}`, promised[cause], cause)
  }
  t.end()
})

t.test('only what ended by itself or as planned is complete, and only that has no code', t => {
  for (const cause of endCauses) {
    const { code, completeness } = outcomes[cause]
    const whole = cause === 'exited' || cause === 'finished'
    t.equal(completeness.state, whole ? 'complete' : 'truncated', cause)
    t.equal(completeness.reason === null, whole)
    t.equal(code === null, whole)
    if (code !== null) t.ok(code in errorTable)
    if (completeness.reason !== null) t.ok(truncationReasons.includes(completeness.reason))
  }
  t.end()
})

t.test('an effect in the pod is never denied once a tool has started', t => {
  for (const cause of endCauses) {
    const { code } = outcomes[cause]
    if (code !== null) t.not(errorTable[code].effect, 'none', cause)
  }
  t.end()
})

t.test('the cause that counts takes proof: every combination', t => {
  for (const endCause of endCauses) {
    for (const signal of [null, 'SIGSEGV']) {
      for (let bits = 0; bits < 8; bits++) {
        const [proven, whole, killed] = [(bits & 1) > 0, (bits & 2) > 0, (bits & 4) > 0]
        const settled = settleCause({ endCause, signal, proven, whole, killed })
        const what = JSON.stringify({ endCause, signal, proven, whole, killed })
        if (endCause === 'exited') t.equal(settled, signal !== null ? 'killed' : proven && whole ? 'exited' : 'unproven', what)
        else if (endCause === 'finished') t.equal(settled, killed ? 'killed' : proven && whole ? 'finished' : 'unproven', what)
        else t.equal(settled, endCause, what)
      }
    }
  }
  t.end()
})
