import { readFileSync } from 'node:fs'
import t from 'tap'

const root = new URL('../../', import.meta.url)
const rows = readFileSync(new URL('README.md', import.meta.url), 'utf8').split('\n').filter(line => /^\| \d/.test(line))

t.test('every test that a case names exists', t => {
  t.ok(rows.length > 20)
  for (const row of rows) {
    const named = [...row.matchAll(/`(test\/[^`]+)`: (.+?)(?=; `test\/| \|$)/g)]
    t.ok(named.length > 0, row.slice(0, 40))
    for (const [, file, name] of named) {
      const text = readFileSync(new URL(file!, root), 'utf8')
      t.ok(['\'', '`'].some(quote => text.includes(`test(${quote}${name}${quote}`)), `${file}: ${name}`)
    }
  }
  t.end()
})

t.test('the cases are told apart, in order', t => {
  const numbers = rows.flatMap(row => row.split('|')[1]!.split(',').map(Number))
  t.same(numbers, [...new Set(numbers)])
  t.end()
})
