import { randomBytes } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import type { Bucket } from '#core/ports/bucket.ts'
import { createFileBucket } from '#storage/file-bucket.ts'
import { createS3Bucket } from '#storage/s3-bucket.ts'
import { startS3 } from '../support/s3.ts'

const mebibyte = 1 << 20
const folder = await mkdtemp(join(tmpdir(), 'ephemera-bucket-'))
t.teardown(() => rm(folder, { recursive: true, force: true }))
const s3 = await startS3(t)
const s3Bucket = createS3Bucket(s3)
t.teardown(() => s3Bucket.close())
const buckets: Record<string, Bucket> = { 'file bucket': createFileBucket({ folder: join(folder, 'artifacts') }), 'S3 bucket': s3Bucket }

let keys = 0
const nextKey = () => `0199f6a0-0000-7000-8000-00000000000${++keys % 10}/${String(keys).padStart(16, '0')}`

async function read (bucket: Bucket, key: string, offset: number, length: number): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const part of await bucket.get(key, offset, length)) parts.push(part)
  return Buffer.concat(parts)
}

for (const [name, bucket] of Object.entries(buckets)) {
  t.test(`${name} gives back the bytes of any part`, async t => {
    const key = nextKey()
    const bytes = randomBytes(3 * mebibyte + 17)
    await bucket.put(key, bytes)
    const { length: all } = bytes
    for (const [offset, length] of [[0, all], [0, 1], [1, mebibyte], [all - 1, 1], [mebibyte, all - mebibyte], [5, 0]] as const) {
      const part = await read(bucket, key, offset, length)
      t.ok(part.equals(bytes.subarray(offset, offset + length)), `${length} bytes from ${offset}`)
    }
  })

  t.test(`${name} keeps what was put when the buffer is used again`, async t => {
    const bytes = randomBytes(8 * mebibyte)
    const copy = Buffer.from(bytes)
    const key = nextKey()
    await bucket.put(key, bytes)
    bytes.fill(0)
    t.ok((await read(bucket, key, 0, copy.length)).equals(copy))
  })

  t.test(`${name} takes the same bytes again, and never others`, async t => {
    const key = nextKey()
    const bytes = randomBytes(8 * mebibyte)
    await bucket.put(key, bytes)
    await bucket.put(key, bytes)
    const changed = Buffer.from(bytes)
    changed[changed.length - 1]! ^= 1
    for (const other of [changed, bytes.subarray(0, -1), Buffer.concat([bytes, bytes.subarray(0, 1)]), Buffer.alloc(0)]) {
      await t.rejects(bucket.put(key, other), { code: 'EPH_CONFLICT', message: `Cannot store the object "${key}": other bytes are stored under this key` })
    }
    t.ok((await read(bucket, key, 0, bytes.length)).equals(bytes))
  })

  t.test(`${name} lets one of many win who put at the same time`, async t => {
    const key = nextKey()
    const contents = Array.from({ length: 8 }, () => randomBytes(mebibyte))
    const results = await Promise.allSettled(contents.map(bytes => bucket.put(key, bytes)))
    const winners = contents.filter((_, index) => results[index]!.status === 'fulfilled')
    t.equal(winners.length, 1)
    for (const result of results) if (result.status === 'rejected') t.match(result.reason, { code: 'EPH_CONFLICT' })
    t.ok((await read(bucket, key, 0, mebibyte)).equals(winners[0]!))

    const again = nextKey()
    await Promise.all(Array.from({ length: 8 }, () => bucket.put(again, contents[0]!)))
    t.ok((await read(bucket, again, 0, mebibyte)).equals(contents[0]!), 'the same bytes are no conflict')
  })

  t.test(`${name} is loud about objects that are missing or shorter than recorded`, async t => {
    const key = nextKey()
    await t.rejects(read(bucket, key, 0, 1), {
      code: 'EPH_INTERNAL', retryable: 'no', message: `Cannot read the object "${key}": it is recorded, but the store does not have it`
    })
    await bucket.put(key, randomBytes(100))
    for (const [offset, length] of [[0, 101], [99, 2], [100, 1], [5000, 1]] as const) {
      await t.rejects(read(bucket, key, offset, length), {
        code: 'EPH_INTERNAL', message: `Cannot read the object "${key}": it ends before byte ${offset + length}, which is recorded`
      })
    }
  })

  t.test(`${name} deletes one object, and does not mind when it is gone`, async t => {
    const [first, second] = ['deleted/0000000000000000', 'deleted/0000000000000001']
    for (const key of [first, second]) await bucket.put(key, Buffer.from(key))
    await bucket.delete(first)
    await bucket.delete(first)
    await t.rejects(read(bucket, first, 0, 1), { code: 'EPH_INTERNAL' })
    t.equal(String(await read(bucket, second, 0, second.length)), second)
    await bucket.delete(second)
    await bucket.delete('never/0000000000000000')
    await bucket.put(first, Buffer.from('anew'))
    t.equal(String(await read(bucket, first, 0, 4)), 'anew')
  })

  t.test(`${name} refuses keys that are no paths of plain names`, async t => {
    const bad = ['', '/', '/etc/passwd', '..', '../x', 'a/../../x', 'a/..', 'a/./b', 'a//b', 'a/', '.hidden', 'a/.unfinished/b', 'a\\b', 'a b', 'a\0', 'a\n',
      'ä', 'a%2fb', 'a?b', 'x'.repeat(201), 'ab/'.repeat(200) + 'c']
    for (const key of bad) {
      for (const call of [() => bucket.put(key, Buffer.from('x')), () => bucket.get(key, 0, 1), () => bucket.get(key, 0, 0), () => bucket.delete(key)]) {
        await t.rejects(async () => { await call() }, { code: 'EPH_INTERNAL', message: /^Cannot use the object key ".*": it is not a path of plain names$/ }, JSON.stringify(key))
      }
    }
    t.same(await readdir(folder), ['artifacts'], 'nothing was made beside the folder')
  })

  t.test(`${name} lets go of what readers leave before the end`, async t => {
    const key = nextKey()
    const bytes = randomBytes(8 * mebibyte)
    await bucket.put(key, bytes)
    await read(bucket, key, 0, bytes.length)
    const open = () => readdirSync('/proc/self/fd').length
    const before = open()
    const readers = await Promise.all(Array.from({ length: 30 }, () => bucket.get(key, 0, bytes.length)))
    await Promise.all(readers.map(async reader => {
      let parts = 0
      for await (const part of reader) if (part.length > 0 && ++parts === 2) break
      t.equal(parts, 2)
    }))
    while (open() > before + 2) await delay(20)
  })

  t.test(`${name} says that it can be used`, async t => {
    await t.resolves(bucket.check())
  })
}
