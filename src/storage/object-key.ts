import { Problem } from '#core/errors.ts'

/** Names joined by slashes. None begins with a dot: no key leaves its folder, and none meets what we put beside the objects. */
const pattern = /^(?=.{1,500}$)[A-Za-z0-9][\w.-]{0,199}(?:\/[A-Za-z0-9][\w.-]{0,199})*$/

export function checkKey (key: string): void {
  if (!pattern.test(key)) throw new Problem('EPH_INTERNAL', `Cannot use the object key ${JSON.stringify(key)}: it is not a path of plain names`)
}
