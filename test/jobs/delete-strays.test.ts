import t from 'tap'
import { Problem } from '#core/errors.ts'
import { deleteStrays } from '#jobs/delete-strays.ts'
import { drive } from '../support/drive.ts'

t.test('objects that got no row are deleted, and those that did are not', async t => {
  const engine = drive(t, { policy: { stallSeconds: 0.3 } })
  const { channels, bucket, context, database } = engine
  channels.play = async tool => {
    tool.start()
    await tool.say('stdout', Buffer.alloc(8 << 20, 1))
    while (bucket.objects.size === 0) await new Promise(resolve => setTimeout(resolve, 5))
    // Its object lands, and its answer never comes.
    bucket.putting = () => new Promise(() => {})
    tool.say('stdout', Buffer.alloc(8 << 20, 2)).catch(() => {})
    await tool.stopped
    tool.end({ endCause: 'cancelled' })
  }
  const { pod } = await engine.run({ diagnostic: 'capture' })
  const [artifact] = pod.runs[0]!.artifacts
  const strays = await database.database.artifacts.strays(10)
  t.match(strays, [{ artifactId: artifact!.id }])
  const [stray] = strays
  bucket.objects.set(stray!.key, Buffer.alloc(1))

  const { delete: remove } = context.bucket
  context.bucket.delete = async () => { throw new Problem('EPH_BUCKET_UNAVAILABLE', 'Cannot reach the bucket') }
  await t.rejects(deleteStrays(context), { code: 'EPH_BUCKET_UNAVAILABLE' })
  t.equal((await database.database.artifacts.strays(10)).length, 1, 'it is tried again')
  context.bucket.delete = remove
  await deleteStrays(context)
  t.same(await database.database.artifacts.strays(10), [])
  const segments = await database.database.artifacts.segments(artifact!.id, 0)
  t.same([...bucket.objects.keys()], segments.map(({ key }) => key))
})
