/** At most so many at a time for each key, over all processes; the others wait. */
export interface Turns {
  through<T> (key: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T>
}
