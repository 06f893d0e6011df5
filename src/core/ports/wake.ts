/** An alarm clock, no more: losing a ring loses nothing, because a sweep each second finds what is due. */
export interface Wake {
  /** Something may be runnable: wakes one worker of many where the backend can. */
  ring (): Promise<void>
  /** Calls back when rung. Answers how to stop. */
  listen (rung: () => void): Promise<() => Promise<void>>
  check (): Promise<void>
  close (): Promise<void>
}
