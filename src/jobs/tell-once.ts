export interface TellOnce {
  failed (error: unknown): void
  worked (): void
}

/** Of failures in a row only the first is told; after a success the next one is again. */
export function tellOnce (tell: (error: unknown) => void): TellOnce {
  let isTold = false
  return {
    failed (error) {
      if (!isTold) tell(error)
      isTold = true
    },
    worked () { isTold = false }
  }
}
