import t from 'tap'
import { Value } from 'typebox/value'
import { Destination, Family, familyErrors, Place, placeErrors, placeReadings, sayPlace } from '#core/destination.ts'
import { rightOf } from '#core/reading.ts'

const named = { namespace: 'shop', name: 'web' }

t.test('placeErrors wants exactly one way to name a place', t => {
  for (const place of [{ host: 'web' }, { pod: named }, { service: named }]) t.same(placeErrors(place, '/at'), [], JSON.stringify(place))
  for (const place of [{}, { host: 'web', pod: named }, { pod: named, service: named }, { host: 'web', pod: named, service: named }]) {
    t.match(placeErrors(place, '/at'), [{ pointer: '/at', detail: /exactly one/ }], JSON.stringify(place))
  }
  for (const host of ['169.254.169.254', '::ffff:169.254.169.254', 'fd00:ec2::254', '1.2.3', '::1::']) {
    t.match(placeErrors({ host }, '/at'), [{ pointer: '/at/host' }], host)
  }
  t.end()
})

t.test('familyErrors lets through what an address can be', t => {
  t.same(familyErrors({ host: '10.0.0.1' }, 4, '/family'), [])
  t.same(familyErrors({ host: 'web' }, 6, '/family'), [])
  t.match(familyErrors({ host: '10.0.0.1' }, 6, '/family'), [{ pointer: '/family', detail: /must be 4/ }])
  for (const [family, fits] of [[4, true], [6, true], [5, false], [0, false], [46, false], [4.5, false]] as const) {
    t.equal(Value.Check(Family, family), fits, `${family}`)
  }
  t.end()
})

t.test('Destination takes a port, Place none, both no unknown field', t => {
  t.ok(Value.Check(Destination, { host: 'web', port: 80 }))
  t.notOk(Value.Check(Destination, { host: 'web' }))
  t.ok(Value.Check(Place, { service: named }))
  t.notOk(Value.Check(Place, { host: 'web', port: 80 }))
  t.notOk(Value.Check(Place, { pod: { ...named, uid: 'x' } }))
  t.notOk(Value.Check(Destination, { pod: { namespace: 'a/b', name: 'web' }, port: 80 }))
  t.end()
})

t.test('placeReadings are what the API server is asked for', t => {
  const rightsOf = (place: Place) => placeReadings(place).map(rightOf).map(({ verb, resource, namespace }) => `${verb} ${resource} ${namespace}`)
  t.same(rightsOf({ host: 'web' }), [])
  t.same(rightsOf({ pod: named }), ['get pods shop'])
  t.same(rightsOf({ service: named }), ['get services shop', 'list endpointslices shop'])
  t.same([{ host: 'web' }, { pod: named }, { service: named }].map(sayPlace), ['"web"', 'pod "shop/web"', 'Service "shop/web"'])
  t.end()
})
