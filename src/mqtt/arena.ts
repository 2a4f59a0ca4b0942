/*
 * Where packets are encoded: one buffer that all connections of a broker share. A packet that goes to many is
 * written into it once; each connection remembers which ranges are its own, and neighbouring ranges are one. At the
 * end of the event loop's turn each connection writes its ranges, mostly a single one, to its socket.
 */

export interface Arena {
  buffer: Buffer
  /** Where the next packet begins. */
  offset: number
  /** A socket still reads from the buffer, so that its bytes must stay as they are. */
  pinned: boolean
}

/** A larger packet is not written into the arena: see `Connection.sendWhole`. */
export const arenaBytes = 256 * 1024
export const largestInArena = 32 * 1024

export const createArena = (): Arena => ({
  buffer: Buffer.allocUnsafeSlow(arenaBytes),
  offset: 0,
  pinned: false,
})

/** After every range has been handed to its socket: begins anew, in a new buffer where the old is still read from. */
export function rewind(arena: Arena): void {
  if (arena.pinned) {
    // What is left of it serves the next turns.
    if (arena.offset <= arenaBytes - largestInArena * 2) return
    arena.buffer = Buffer.allocUnsafeSlow(arenaBytes)
    arena.pinned = false
  }
  arena.offset = 0
}
