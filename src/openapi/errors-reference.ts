import { errorTable, type ErrorCode, type ErrorDefinition } from '#core/errors.ts'
import { statusOf } from '#core/problem-details.ts'
import { code, page, table } from './markdown.ts'

/** docs/reference/errors.md */
export function errorsReference (): string {
  const rows = Object.entries<ErrorDefinition>(errorTable).map(([name, { title, remedy, retryable, effect }]) =>
    [code(name), `${statusOf(name as ErrorCode)}`, title, remedy, retryable, effect])
  return page([
    '# Errors',
    'Every failure is answered as `application/problem+json` (RFC 9457) with one of these codes, in GraphQL as `extensions.code`; jobs and ' +
      'their pods carry the same codes in `error`. Each is also explained at `/problems/{code}`. More may come: treat a code you do not know ' +
      'by its status, `retryable` and `effect`.',
    [
      '- **status**: of a request that fails with it. Codes that tell how a job ended are no failure of the request that reads it.',
      '- **retryable**: whether the same request may succeed: `no`, `later`, or `now`.',
      '- **effect**: what may have been left in the pod: `none`, `unknown` (the tool may or may not have run), `done`.'
    ].join('\n'),
    table(['code', 'status', 'meaning', 'what to do', 'retryable', 'effect'], rows)
  ])
}
