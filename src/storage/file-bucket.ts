import { randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { link, mkdir, open, readdir, rm, rmdir, stat, unlink } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { Bucket } from '#core/ports/bucket.ts'
import { codeOf, fileProblem } from './file-problem.ts'
import { checkKey } from './object-key.ts'
import { objectMissing, objectShort, objectTaken } from './object-problems.ts'
import { sameBytes } from './same-bytes.ts'

/** Of reads and writes. Larger writes land in large pages of the cache: where a host must first give these, they cost 4 times as much. */
const chunkBytes = 256 << 10
/** Longer than any write lasts: what is older was left by a process that was killed. */
const leftoverMs = 60 * 60_000
const ownerOnly = { recursive: true, mode: 0o700 } as const

async function syncFolder (folder: string): Promise<void> {
  const handle = await open(folder)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function writeDurably (path: string, bytes: Uint8Array): Promise<void> {
  const handle = await open(path, 'wx', 0o600)
  try {
    for (let at = 0; at < bytes.length;) at += (await handle.write(bytes, at, Math.min(chunkBytes, bytes.length - at))).bytesWritten
    await handle.datasync()
  } finally {
    await handle.close()
  }
}

/** Gives a finished file its name, durably; false where the name is taken. A link never replaces, as a rename would. */
async function publish (temporary: string, path: string): Promise<boolean> {
  const madeFrom = await mkdir(dirname(path), ownerOnly)
  const isNew = await link(temporary, path).then(() => true, error => {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  })
  const outermost = dirname(madeFrom ?? path)
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    await syncFolder(folder)
    if (folder === outermost) return isNew
  }
}

/** Objects as files of a folder, on a file system that has hard links. Several processes may share the folder. */
export function createFileBucket ({ folder }: { folder: string }): Bucket {
  const root = resolve(folder)
  const unfinished = join(root, '.unfinished')
  let swept: Promise<void> | undefined

  function pathOf (key: string): string {
    checkKey(key)
    return join(root, key)
  }

  async function sweep (): Promise<void> {
    for (const name of await readdir(unfinished)) {
      const path = join(unfinished, name)
      const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Infinity })) // finished meanwhile
      // eslint-disable-next-line no-restricted-properties -- files have the wall clock's times
      if (Date.now() - mtimeMs > leftoverMs) await rm(path, { force: true })
    }
  }

  async function temporaryPath (): Promise<string> {
    await mkdir(unfinished, ownerOnly)
    swept ??= sweep()
    await swept.catch(error => {
      swept = undefined
      throw error
    })
    return join(unfinished, randomUUID())
  }

  async function * read (key: string, offset: number, end: number): AsyncGenerator<Uint8Array> {
    let at = offset
    try {
      // Opened when the first part is asked for: who never reads leaves nothing open.
      for await (const part of createReadStream(pathOf(key), { start: offset, end: end - 1, highWaterMark: chunkBytes })) {
        at += part.length
        yield part
      }
    } catch (error) {
      throw fileProblem(`read the object "${key}"`, error)
    }
    if (at !== end) throw objectShort(key, end)
  }

  return {
    /** Not bounded in time: a write cannot be called back, and would go on reading bytes that are no longer ours. */
    async put (key, bytes) {
      const path = pathOf(key)
      try {
        const temporary = await temporaryPath()
        try {
          await writeDurably(temporary, bytes)
          if (!await publish(temporary, path) && !await sameBytes(createReadStream(path), bytes)) throw objectTaken(key)
        } finally {
          await rm(temporary, { force: true })
        }
      } catch (error) {
        throw fileProblem(`store the object "${key}"`, error)
      }
    },

    async get (key, offset, length) {
      try {
        const { size } = await stat(pathOf(key))
        if (offset + length > size) throw objectShort(key, offset + length)
      } catch (error) {
        if (codeOf(error) === 'ENOENT' && await stat(root).then(() => true, () => false)) throw objectMissing(key, error)
        throw fileProblem(`read the object "${key}"`, error)
      }
      return length > 0 ? read(key, offset, offset + length) : (async function * () {})()
    },

    async delete (key) {
      const path = pathOf(key)
      try {
        await unlink(path).catch(error => { if (codeOf(error) !== 'ENOENT') throw error })
        for (let parent = dirname(path); parent !== root; parent = dirname(parent)) await rmdir(parent)
      } catch (error) {
        // Folders go with their last object.
        if (!['ENOTEMPTY', 'EEXIST', 'ENOENT'].includes(codeOf(error))) throw fileProblem(`delete the object "${key}"`, error)
      }
    },

    async check () {
      try {
        const temporary = await temporaryPath()
        try {
          await (await open(temporary, 'wx', 0o600)).close()
          await link(temporary, `${temporary}.link`)
        } finally {
          await rm(temporary, { force: true })
          await rm(`${temporary}.link`, { force: true })
        }
      } catch (error) {
        throw fileProblem('use the folder of objects', error)
      }
    }
  }
}
