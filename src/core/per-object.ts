/** Makes one value for each object, when it is first asked for; it lives as long as the object. */
export function perObject<K extends object, V> (create: (object: K) => V): (object: K) => V {
  const values = new WeakMap<K, V>()
  return object => {
    let value = values.get(object)
    if (value === undefined) values.set(object, value = create(object))
    return value
  }
}
