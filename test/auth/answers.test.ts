import t from 'tap'
import { createAnswers } from '../../src/auth/answers.ts'

function createQuestions () {
  let milliseconds = 0
  let asked = 0
  const ask = createAnswers<string>({ isYes: answer => answer.startsWith('yes'), yesMs: 100, noMs: 10, most: 3, now: () => milliseconds })
  return {
    pass (time: number) { milliseconds += time },
    get asked () { return asked },
    ask: (key: string, answer: string | Promise<string>, fresh = false) => ask(key, async () => {
      asked++
      return await answer
    }, { fresh })
  }
}

t.test('an answer is believed for its time, a no for less, and no longer', async t => {
  const questions = createQuestions()
  t.equal(await questions.ask('a', 'yes'), 'yes')
  t.equal(await questions.ask('b', 'no'), 'no')
  questions.pass(9)
  t.equal(await questions.ask('b', 'yes'), 'no')
  questions.pass(1)
  t.equal(await questions.ask('b', 'yes'), 'yes')
  questions.pass(89)
  t.equal(await questions.ask('a', 'no'), 'yes')
  questions.pass(1)
  t.equal(await questions.ask('a', 'no'), 'no')
})

t.test('an answer is as old as its question', async t => {
  const questions = createQuestions()
  const slow = Promise.withResolvers<string>()
  const first = questions.ask('a', slow.promise)
  questions.pass(99)
  slow.resolve('yes')
  await first
  t.equal(await questions.ask('a', 'no'), 'yes')
  questions.pass(1)
  t.equal(await questions.ask('a', 'no'), 'no')
})

t.test('equal questions at once are one, different ones are not', async t => {
  const questions = createQuestions()
  const slow = Promise.withResolvers<string>()
  const same = Promise.all(Array.from({ length: 50 }, () => questions.ask('a', slow.promise)))
  t.equal(await questions.ask('b', 'yes b'), 'yes b')
  slow.resolve('yes a')
  t.same(new Set(await same), new Set(['yes a']))
  t.equal(questions.asked, 2)
})

t.test('a fresh question goes past what is known and under way, and is known from then on', async t => {
  const questions = createQuestions()
  await questions.ask('a', 'yes')
  t.equal(await questions.ask('a', 'no', true), 'no')
  t.equal(await questions.ask('a', 'yes'), 'no')
  const slow = Promise.withResolvers<string>()
  questions.pass(10)
  const older = questions.ask('a', slow.promise)
  questions.pass(1)
  t.equal(await questions.ask('a', 'no', true), 'no')
  slow.resolve('yes, before')
  t.equal(await older, 'yes, before')
  t.equal(await questions.ask('a', 'yes'), 'no', 'what was asked before does not replace it')
})

t.test('an error reaches all who asked, and is not kept', async t => {
  const questions = createQuestions()
  const slow = Promise.withResolvers<string>()
  const asking = [1, 2].map(() => t.rejects(questions.ask('a', slow.promise), { message: 'down' }))
  slow.reject(new Error('down'))
  await Promise.all(asking)
  t.equal(await questions.ask('a', 'yes'), 'yes')
  t.equal(questions.asked, 2)
  await t.rejects(questions.ask('a', Promise.reject(new Error('down')), true), { message: 'down' })
  questions.pass(100)
  await t.rejects(questions.ask('a', Promise.reject(new Error('down'))), { message: 'down' }, 'what is too old is no answer')
})

t.test('no more than the most of each kind is kept, and a flood of nos drives out no yes', async t => {
  const questions = createQuestions()
  for (const key of ['a', 'b', 'c']) await questions.ask(key, 'yes')
  for (let n = 0; n < 100; n++) await questions.ask(`no ${n}`, 'no')
  const before = questions.asked
  for (const key of ['a', 'b', 'c', 'no 97', 'no 98', 'no 99']) await questions.ask(key, 'never asked')
  t.equal(questions.asked, before)
  await questions.ask('d', 'yes')
  await questions.ask('b', 'never asked')
  t.equal(questions.asked, before + 1)
  t.equal(await questions.ask('a', 'yes, asked again'), 'yes, asked again')
})
