import { createHash } from 'node:crypto'
import t from 'tap'
import { build } from '../support/build-app.ts'

const directives = (policy: unknown) => new Map(String(policy).split(';').map(part => {
  const [name = '', ...sources] = part.trim().split(/\s+/)
  return [name, sources] as const
}))

t.test('the page is served to everybody, and sends no one elsewhere', async t => {
  const { app } = await build(t)
  const redirect = await app.inject({ url: '/docs' })
  t.match(redirect, { statusCode: 301, headers: { location: /\/docs\/$/ } })
  const page = await app.inject({ url: '/docs/' })
  t.equal(page.statusCode, 200)
  t.match(page.headers['content-type'], /^text\/html/)
  t.notMatch(page.body, /(?:src|href)="(?:https?:)?\/\//, 'nothing of it lies elsewhere')
  t.match(page.body, '/openapi.json')
  const policy = directives(page.headers['content-security-policy'])
  t.same(policy.get('default-src'), ["'none'"])
  for (const [name, sources] of policy) for (const source of sources) t.notMatch(source, /https?:|\*|unsafe-eval/, `${name} ${source}`)
  t.notOk(policy.get('script-src')!.includes("'unsafe-inline'"))
})

t.test('every script of the page is one that its policy admits', async t => {
  const { app } = await build(t)
  const page = await app.inject({ url: '/docs/' })
  const [, nonce] = /'nonce-([^']+)'/.exec(String(page.headers['content-security-policy'])) ?? []
  const scripts = [...page.body.matchAll(/<script([^>]*)>([\s\S]*?)<\/script>/g)]
  t.ok(scripts.length >= 2)
  for (const [, attributes = '', text = ''] of scripts) {
    const source = /src="([^"]+)"/.exec(attributes)?.[1]
    if (source === undefined) {
      t.match(attributes, `nonce="${nonce}"`, text.slice(0, 60))
      continue
    }
    const script = await app.inject({ url: new URL(source, 'http://localhost/docs/').pathname })
    t.match(script, { statusCode: 200, headers: { 'content-type': /javascript/ } }, source)
    t.ok(script.rawPayload.length > 100_000, 'the whole of it comes from here')
  }
  t.notMatch(page.body, /\son(?:load|click|error)=/, 'no handler stands in an attribute')
})

t.test('the document is the same however often it is asked for', async t => {
  const { app } = await build(t)
  const digest = async () => createHash('sha256').update((await app.inject({ url: '/openapi.json' })).body).digest('hex')
  t.equal(await digest(), await digest())
  t.match((await app.inject({ url: '/openapi.json' })).headers['content-type'], /^application\/json/)
})

t.test('two processes do not share what their policy admits', async t => {
  const [one, other] = [await build(t), await build(t)]
  const policyOf = async ({ app }: typeof one) => (await app.inject({ url: '/docs/' })).headers['content-security-policy']
  t.not(await policyOf(one), await policyOf(other))
})
