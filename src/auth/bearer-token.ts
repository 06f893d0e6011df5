import { Problem } from '#core/errors.ts'
import type { Credentials } from '#core/ports/authority.ts'

export const maxTokenBytes = 16 << 10

/** Visible characters only: a comma or a space would be a second credential, joined to the first by a proxy. */
export const isToken = (text: string): boolean => text.length <= maxTokenBytes && /^[\x21-\x2b\x2d-\x7e]+$/.test(text)

/** The token of the one header that says who calls; its text is in no error. */
export function bearerToken ({ headers: { authorization } }: Credentials): string {
  if (authorization === undefined || authorization.length === 0) {
    throw new Problem('EPH_UNAUTHENTICATED', 'Cannot tell who calls: send Authorization: Bearer TOKEN')
  }
  const token = typeof authorization === 'string' ? /^Bearer +(\S+)$/i.exec(authorization)?.[1] : undefined
  if (token !== undefined && isToken(token)) return token
  throw new Problem('EPH_UNAUTHENTICATED',
    `Cannot read the Authorization header: send it once, as Bearer TOKEN, with a token of at most ${maxTokenBytes} visible characters`)
}
