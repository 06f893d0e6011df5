import { Problem } from '#core/errors.ts'

/** What is not there as a value: a missing object is often an answer, not an error. */
export async function absentAs<T, A> (value: A, reading: Promise<T>): Promise<T | A> {
  try {
    return await reading
  } catch (error) {
    if (error instanceof Problem && error.code === 'EPH_NOT_FOUND') return value
    throw error
  }
}
