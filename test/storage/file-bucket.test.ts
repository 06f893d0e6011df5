import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { createFileBucket } from '#storage/file-bucket.ts'

async function open (t: Test) {
  const parent = await mkdtemp(join(tmpdir(), 'ephemera-bucket-'))
  t.teardown(() => rm(parent, { recursive: true, force: true }))
  const folder = join(parent, 'artifacts')
  return { folder, bucket: createFileBucket({ folder }), unfinished: join(folder, '.unfinished') }
}

const namesIn = (folder: string): Promise<string[]> => readdir(folder).catch(() => [])

t.test('a process that is killed while it stores leaves no half object under the key', async t => {
  const { folder, unfinished } = await open(t)
  const program = `
    import { createFileBucket } from ${JSON.stringify(new URL('../../src/storage/file-bucket.ts', import.meta.url).href)}
    const bucket = createFileBucket({ folder: ${JSON.stringify(folder)} })
    for (let at = 0; ; at++) await bucket.put('killed/' + String(at).padStart(16, '0'), Buffer.alloc(8 << 20, at % 256))`
  let leftovers = 0
  for (let round = 0; round < 5; round++) {
    const child = spawn(process.execPath, ['--input-type=module', '--eval', program], { stdio: ['ignore', 'ignore', 'inherit'] })
    const ended = once(child, 'exit')
    // Its later rounds find what the earlier ones stored, and must find it whole: other bytes would end it.
    const isMidway = async () => (await namesIn(join(folder, 'killed'))).length >= (round + 1) * 2 && (await namesIn(unfinished)).length > leftovers
    while (child.exitCode === null && !await isMidway()) await turn()
    child.kill('SIGKILL')
    t.same(await ended, [null, 'SIGKILL'])
    leftovers = (await namesIn(unfinished)).length
  }
  const objects = await namesIn(join(folder, 'killed'))
  t.ok(objects.length >= 10)
  for (const name of objects) t.ok((await readFile(join(folder, 'killed', name))).equals(Buffer.alloc(8 << 20, Number(name) % 256)), name)
  t.ok(leftovers > 0, `${leftovers} were killed in the middle`)
})

t.test('what killed processes left is removed, and what others are writing is not', async t => {
  const { bucket, unfinished } = await open(t)
  await mkdir(unfinished, { recursive: true })
  for (const [name, ageMinutes] of [['old', 61], ['new', 59]] as const) {
    await writeFile(join(unfinished, name), 'half')
    const then = new Date(Date.now() - ageMinutes * 60_000)
    await utimes(join(unfinished, name), then, then)
  }
  await bucket.put('a/0', Buffer.from('whole'))
  t.same(await readdir(unfinished), ['new'])
})

t.test('objects are for their owner alone, and nothing else stays in the folder', async t => {
  const { folder, bucket } = await open(t)
  await bucket.check()
  await bucket.put('a/0', Buffer.from('whole'))
  t.same((await readdir(folder, { recursive: true })).sort(), ['.unfinished', 'a', 'a/0'])
  t.equal((await stat(folder)).mode & 0o777, 0o700)
  t.equal((await stat(join(folder, 'a/0'))).mode & 0o777, 0o600)
  await bucket.delete('a/0')
  t.same(await readdir(folder, { recursive: true }), ['.unfinished'], 'the folder went with its last object')
})

t.test('an object that was cut before it is read is not whole', async t => {
  const { folder, bucket } = await open(t)
  await bucket.put('a/0', Buffer.alloc(1 << 20))
  const content = await bucket.get('a/0', 0, 1 << 20)
  await truncate(join(folder, 'a/0'), 700_000)
  let bytes = 0
  await t.rejects(async () => { for await (const part of content) bytes += part.length }, { code: 'EPH_INTERNAL', message: /ends before byte 1048576/ })
  t.equal(bytes, 700_000)
})

t.test('a folder that cannot be used is an unavailable bucket, in words without paths', async t => {
  const { folder } = await open(t)
  await writeFile(folder, 'a file, not a folder')
  const bucket = createFileBucket({ folder })
  const unavailable = { code: 'EPH_BUCKET_UNAVAILABLE', cause: { syscall: String } }
  const calls = {
    put: [() => bucket.put('a/0', Buffer.from('x')), /^Cannot store the object "a\/0": not a directory \(ENOTDIR in mkdir\)$/],
    get: [async () => { await bucket.get('a/0', 0, 1) }, /^Cannot read the object "a\/0": not a directory \(ENOTDIR in stat\)$/],
    delete: [() => bucket.delete('a/0'), /^Cannot delete the object "a\/0": not a directory \(ENOTDIR in unlink\)$/],
    check: [() => bucket.check(), /^Cannot use the folder of objects: not a directory \(ENOTDIR in mkdir\)$/]
  } as const
  for (const [name, [call, message]] of Object.entries(calls)) await t.rejects(call, { ...unavailable, message }, name)
  await rm(folder)
  await bucket.check()
  await bucket.put('a/0', Buffer.from('x'))
  await rename(folder, `${folder}.away`)
  await t.rejects(async () => { await bucket.get('a/0', 0, 1) }, unavailable, 'not "missing": the whole store is')
})
