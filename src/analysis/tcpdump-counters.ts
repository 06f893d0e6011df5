export interface TcpdumpCounters { captured: number, receivedByFilter: number, droppedByKernel: number, droppedByInterface: number }

/** What tcpdump counted itself, from the last lines of its standard error; null where it did not come to say it. */
export function readTcpdumpCounters (stderr: string): TcpdumpCounters | null {
  const count = (what: string) => new RegExp(`^(\\d+) packets? ${what}$`, 'm').exec(stderr)?.[1]
  const captured = count('captured')
  const receivedByFilter = count('received by filter')
  const droppedByKernel = count('dropped by kernel')
  if (captured === undefined || receivedByFilter === undefined || droppedByKernel === undefined) return null
  return {
    captured: Number(captured),
    receivedByFilter: Number(receivedByFilter),
    droppedByKernel: Number(droppedByKernel),
    // Said only where there are any.
    droppedByInterface: Number(count('dropped by interface') ?? 0)
  }
}
