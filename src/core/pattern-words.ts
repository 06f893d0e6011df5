import { addressPattern, dnsName, hostPattern } from './host.ts'
import { dnsLabel, dnsSubdomain, labelKey, labelValue, shortName, uuid, withoutControls, withoutNul } from './schema.ts'
import { workloadKinds, workloadPattern } from './target.ts'

/** What a pattern asks for, as callers are told it. Of others they see the expression. */
export const patternWords: ReadonlyMap<string, string> = new Map([
  [dnsLabel, 'must be at most 63 lower-case letters, digits and "-", with a letter or digit at both ends'],
  [dnsSubdomain, 'must be at most 253 lower-case letters, digits, "-" and ".", with a letter or digit at both ends of each part'],
  [shortName, 'must be at most 63 lower-case letters, digits and "-", and begin with a letter or digit'],
  [labelKey, 'must be at most 63 letters, digits, "_", ".", "/" and "-", with a letter or digit at both ends'],
  [labelValue, 'must be empty, or at most 63 letters, digits, "_", "." and "-", with a letter or digit at both ends'],
  [workloadPattern, `must be a kind and a name, as Deployment/web; kinds are ${workloadKinds.join(', ')}`],
  [uuid, 'must be a UUID in lower case'],
  [withoutNul, 'must not contain NUL'],
  [withoutControls, 'must be one line without control characters'],
  [addressPattern, 'must be an IPv4 or IPv6 address'],
  [dnsName, 'must be a name as DNS has it: parts of letters, digits, "_" and "-", with dots between them'],
  [hostPattern, 'must be a name, or an IPv4 or IPv6 address; without scheme, brackets, port and path']
])
