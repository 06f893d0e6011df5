import { ApiException } from '@kubernetes/client-node'
import { t } from 'tap'
import { Problem } from '#core/errors.ts'
import { missingRule, toProblem } from '../../src/kubernetes/status-error.ts'

const status = (code: number, message: string, rest: object = {}, headers = {}) =>
  new ApiException(code, 'Unknown API Status Code!', JSON.stringify({ kind: 'Status', status: 'Failure', message, code, ...rest }), headers)
const network = (code: string) => new TypeError('fetch failed', { cause: Object.assign(new Error(`connect ${code} 127.0.0.1:1`), { code }) })
const user = 'User "system:serviceaccount:ephemera:ephemera"'

const recorded: [string, unknown, string, RegExp][] = [
  ['a missing right', status(403, `pods is forbidden: ${user} cannot list resource "pods" in API group "" in the namespace "shop"`),
    'EPH_ACCOUNT_FORBIDDEN', /lacks the rule {apiGroups: \[""\], resources: \["pods"\], verbs: \["list"\]} in namespace "shop"/],
  ['PodSecurity', status(403, 'pods "app" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true'), 'EPH_POD_SECURITY', /runAsNonRoot/],
  ['a webhook', status(403, 'admission webhook "images.example" denied the request: image is not signed'), 'EPH_ADMISSION_DENIED', /not signed/],
  ['a policy', status(422, 'pods "web" is forbidden: ValidatingAdmissionPolicy \'cage\' with binding \'cage\' denied request: only our runner', { reason: 'Invalid' }),
    'EPH_ADMISSION_DENIED', /only our runner/],
  ['another admission plugin', status(403, 'pods "web" is forbidden: exceeded quota: small'), 'EPH_ADMISSION_DENIED', /quota/],
  ['a replaced pod', status(422, 'Pod "web" is invalid: metadata.uid: Invalid value: "9161c7b0": field is immutable'), 'EPH_POD_GONE', /replaced/],
  ['a replaced pod, by its precondition', status(409, 'Precondition failed: UID in precondition: a, UID in object meta: b'), 'EPH_POD_GONE', /replaced/],
  ['a container to share with that is not there', status(422, 'Pod "web" is invalid: spec.ephemeralContainers[0].targetContainerName: Not found: "x"'),
    'EPH_CONTAINER_UNKNOWN', /targetContainerName/],
  ['nothing there', status(404, 'pods "web" not found', { reason: 'NotFound' }), 'EPH_NOT_FOUND', /"web" not found/],
  ['a conflict', status(409, 'the object has been modified'), 'EPH_CONFLICT', /modified/],
  ['a selector that cannot be read', status(400, 'unable to parse requirement: found \'b\', expected: in, notin'), 'EPH_INVALID_REQUEST', /requirement/],
  ['refused credentials', status(401, 'Unauthorized'), 'EPH_CLUSTER_UNAVAILABLE', /credentials/],
  ['an overloaded API server', status(429, 'too many requests', {}, { 'retry-after': '7' }), 'EPH_CLUSTER_UNAVAILABLE', /429/],
  ['a server behind it that fails', new ApiException(503, 'x', 'upstream connect error', {}), 'EPH_CLUSTER_UNAVAILABLE', /503 \(upstream connect error\)/],
  ['a webhook that cannot be called', status(500, 'Internal error occurred: failed calling webhook "w": timeout'), 'EPH_CLUSTER_UNAVAILABLE', /failed calling/],
  ['nobody there', network('ECONNREFUSED'), 'EPH_CLUSTER_UNAVAILABLE', /ECONNREFUSED/],
  ['a time that is over', new DOMException('The operation was aborted due to timeout', 'TimeoutError'), 'EPH_CLUSTER_UNAVAILABLE', /timeout/],
  ['an answer that is no JSON', new SyntaxError('Unexpected token < in JSON'), 'EPH_CLUSTER_UNAVAILABLE', /Unexpected token/],
  ['something that is no error', 'boom', 'EPH_INTERNAL', /boom/]
]
for (const [what, error, code, detail] of recorded) {
  t.test(what, async t => {
    const problem = toProblem('read pod "shop/web"', error)
    t.ok(problem instanceof Problem)
    t.match(problem, { code, message: detail })
    t.match(problem.message, /^Cannot read pod "shop\/web": /)
  })
}

t.test('the time to come back is kept', async t => {
  t.match(toProblem('x', status(429, 'slow down', {}, { 'retry-after': '7' })), { retryAfterSeconds: 7 })
  t.match(toProblem('x', status(503, 'slow down', { details: { retryAfterSeconds: 3 } })), { retryAfterSeconds: 3 })
  t.match(toProblem('x', status(503, 'slow down')), { retryAfterSeconds: null })
})

t.test('problems and programming errors come back as they are', async t => {
  const problem = new Problem('EPH_INVALID_REQUEST', 'no')
  const mistake = new TypeError('x is not a function')
  t.equal(toProblem('x', problem), problem)
  t.equal(toProblem('x', mistake), mistake)
})

t.test('rules of the whole cluster and of addresses are named too', async t => {
  t.match(missingRule(`nodes "n" is forbidden: ${user} cannot get resource "nodes" in API group "" at the cluster scope`), /\["nodes"\].* in the whole cluster$/)
  t.match(missingRule(`forbidden: ${user} cannot get path "/version"`), /nonResourceURLs: \["\/version"\]/)
  t.equal(missingRule('exceeded quota'), null)
})
