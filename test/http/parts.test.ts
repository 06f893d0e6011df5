import type { FastifyReply, FastifyRequest } from 'fastify'
import t from 'tap'
import { createTextEscape, escapeHtml, escapeMarkdown, escapeText } from '../../src/http/escape-text.ts'
import { negotiate } from '../../src/http/negotiate.ts'
import { createRateLimit } from '../../src/http/rate-limit.ts'

t.test('text is shown with every character that would not be seen or would act', t => {
  t.equal(escapeText('a\tb\nc'), 'a\tb\nc')
  t.equal(escapeText('\u0000\u0007\u001b[2J\r\u007f\u009b'), '\\x00\\x07\\x1b[2J\\x0d\\x7f\\x9b')
  t.equal(escapeText('\u202e\u2066\u200b\u2028\ufeff'), '\\u{202e}\\u{2066}\\u{200b}\\u{2028}\\u{feff}')
  t.equal(escapeText('ü 名 \\x1b'), 'ü 名 \\x1b')
  t.equal(escapeHtml('<a href="x">\'&\u001b'), '&lt;a href=&quot;x&quot;&gt;&#39;&amp;\\x1b')
  t.equal(escapeMarkdown('a\nb *c* [d](e)'), 'a b \\*c\\* \\[d\\]\\(e\\)')
  t.end()
})

t.test('bytes are escaped the same however they are cut', async t => {
  const bytes = Buffer.from('é\u202e\u001b名\xff', 'utf8')
  for (let cut = 0; cut <= bytes.length; cut++) {
    const escape = createTextEscape()
    escape.write(bytes.subarray(0, cut))
    escape.end(bytes.subarray(cut))
    t.equal((await escape.setEncoding('utf8').toArray()).join(''), 'é\\u{202e}\\x1b名ÿ')
  }
  const broken = createTextEscape()
  broken.end(Buffer.from([0x61, 0xff, 0xe2, 0x80]))
  t.equal((await broken.setEncoding('utf8').toArray()).join(''), 'a\ufffd\ufffd')
})

t.test('the media type that is liked best wins, the first where nothing fits', t => {
  const types = ['application/json', 'text/plain', 'text/markdown'] as const
  for (const [accept, type] of [
    [undefined, 'application/json'], ['*/*', 'application/json'], ['text/plain', 'text/plain'], ['TEXT/PLAIN', 'text/plain'], ['text/*', 'text/plain'],
    ['text/*;q=0.5, application/json;q=0.4', 'text/plain'], ['text/plain;q=0.5, text/markdown', 'text/markdown'], ['text/plain;q=0, text/*', 'text/markdown'],
    ['application/json;q=0.1, text/markdown;q=x', 'application/json'], ['image/png', 'application/json'], ['', 'application/json']
  ] as const) {
    const headers: Record<string, string> = {}
    const reply = { header: (name: string, value: string) => { headers[name] = value } }
    // Only the two parts that are used.
    t.equal(negotiate({ headers: { accept } } as unknown as FastifyRequest, reply as unknown as FastifyReply, types), type, `${accept}`)
    t.same(headers, { vary: 'Accept' })
  }
  t.end()
})

t.test('the count of a caller begins anew with each minute, and is his alone', t => {
  let now = 1000
  const rateLimit = createRateLimit(2, () => now)
  t.match(rateLimit('ada'), { refusal: null, headers: { ratelimit: '"caller";r=1;t=60' } })
  t.equal(rateLimit('ada').refusal, null)
  now += 50_500
  t.match(rateLimit('ada').refusal, { code: 'EPH_RATE_LIMITED', retryAfterSeconds: 10 })
  t.equal(rateLimit('bob').refusal, null)
  now += 9500
  t.match(rateLimit('ada'), { refusal: null, headers: { ratelimit: '"caller";r=1;t=60' } })
  t.end()
})
