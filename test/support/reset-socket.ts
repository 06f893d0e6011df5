import type { Socket } from 'node:net'

/** Node does not close a socket that is reset while its end is under way (seen in 24.21), and its process then never exits. */
export function resetSocket (socket: Socket): void {
  if (socket.writableEnded) socket.destroy()
  else socket.resetAndDestroy()
}
