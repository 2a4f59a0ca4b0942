/*
 * The QoS 1 and 2 messages on their way to one client, in the order in which they were sent. Clients acknowledge in
 * that order [MQTT-4.6.0-2], so the one that is looked for is nearly always the oldest.
 *
 * Packet ids come from a count that all sessions share: a message that goes to many then has the same id for each,
 * and the same bytes. An id that a session still uses is not given to it again.
 */

export const slotFree = 0
/** PUBLISH is sent; PUBACK or PUBREC is awaited. */
export const slotSent = 1
/** PUBREC came, PUBREL is sent; PUBCOMP is awaited. */
export const slotReleased = 2
/** PUBREC came, and the release is not on disk yet. */
export const slotReceived = 3

export class Window<Item> {
  #ids: Uint16Array
  #states: Uint8Array
  #items: (Item | undefined)[]
  #head = 0
  #tail = 0
  #mask: number
  /** Not acknowledged. */
  #count = 0
  /** No id in the window was given out before this count. */
  #floor = 0
  /** Once the head is past this place, no id in the window is older than the count beside it. */
  #markPlace = 0
  #markCount = 0

  constructor(size = 8) {
    this.#ids = new Uint16Array(size)
    this.#states = new Uint8Array(size)
    this.#items = new Array(size).fill(undefined)
    this.#mask = size - 1
  }

  get count(): number {
    return this.#count
  }

  /** Whether an id that the count `given` makes is not in use. */
  isFree(packetId: number, given: number): boolean {
    if (this.#head === this.#tail) return true
    if (given - this.#floor < 65_535) return true
    for (let at = this.#head; at !== this.#tail; at++) {
      const slot = at & this.#mask
      if (this.#ids[slot] === packetId && this.#states[slot] !== slotFree) return false
    }
    return true
  }

  /** @param given the count when the id was given out; -65,535 for one that comes from elsewhere */
  push(packetId: number, item: Item | undefined, given: number, state: number = slotSent): void {
    if (this.#head === this.#tail) {
      this.#floor = given
      this.#markPlace = this.#tail
      this.#markCount = given
    } else {
      if (this.#head >= this.#markPlace) {
        this.#floor = this.#markCount
        this.#markPlace = this.#tail
        this.#markCount = given
      }
      this.#floor = Math.min(this.#floor, given)
      this.#markCount = Math.min(this.#markCount, given)
    }
    if (this.#tail - this.#head > this.#mask) this.#makeRoom()
    const slot = this.#tail & this.#mask
    this.#ids[slot] = packetId
    this.#states[slot] = state
    this.#items[slot] = item
    this.#tail++
    this.#count++
  }

  /** Which slot has the id in that state; -1 when none has. */
  find(packetId: number, state: number): number {
    for (let at = this.#head; at !== this.#tail; at++) {
      const slot = at & this.#mask
      if (this.#ids[slot] === packetId && this.#states[slot] === state) return slot
    }
    return -1
  }

  /** Which slot has that very item; -1 when none has. */
  slotOf(item: Item): number {
    for (let at = this.#head; at !== this.#tail; at++)
      if (this.#items[at & this.#mask] === item) return at & this.#mask
    return -1
  }

  stateOf(packetId: number): number {
    for (let at = this.#head; at !== this.#tail; at++) {
      const slot = at & this.#mask
      if (this.#ids[slot] === packetId && this.#states[slot] !== slotFree) return this.#states[slot] as number
    }
    return slotFree
  }

  itemAt(slot: number): Item | undefined {
    return this.#items[slot]
  }

  /** The message is with the client; only its id is kept. */
  setState(slot: number, state: number): void {
    this.#states[slot] = state
    if (state === slotReleased) this.#items[slot] = undefined
  }

  remove(slot: number): void {
    this.#states[slot] = slotFree
    this.#items[slot] = undefined
    this.#count--
    while (this.#head !== this.#tail && this.#states[this.#head & this.#mask] === slotFree) this.#head++
    if (this.#head === this.#tail) {
      this.#head = 0
      this.#tail = 0
    }
  }

  /** Oldest first. */
  forEach(visit: (packetId: number, state: number, item: Item | undefined) => void): void {
    for (let at = this.#head; at !== this.#tail; at++) {
      const slot = at & this.#mask
      const state = this.#states[slot] as number
      if (state !== slotFree) visit(this.#ids[slot] as number, state, this.#items[slot])
    }
  }

  clear(): void {
    this.#states.fill(slotFree)
    this.#items.fill(undefined)
    this.#head = 0
    this.#tail = 0
    this.#count = 0
  }

  /** Makes room at the end: leaves out what has been acknowledged in the middle, and grows where that is little. */
  #makeRoom(): void {
    const capacity = this.#mask + 1
    const size = this.#count * 2 > capacity ? capacity * 2 : capacity
    const ids = new Uint16Array(size)
    const states = new Uint8Array(size)
    const items = new Array<Item | undefined>(size).fill(undefined)
    let to = 0
    let mark = 0
    for (let at = this.#head; at !== this.#tail; at++) {
      if (at === this.#markPlace) mark = to
      const slot = at & this.#mask
      if (this.#states[slot] === slotFree) continue
      ids[to] = this.#ids[slot] as number
      states[to] = this.#states[slot] as number
      items[to] = this.#items[slot]
      to++
    }
    this.#markPlace = mark
    this.#head = 0
    this.#tail = to
    this.#ids = ids
    this.#states = states
    this.#items = items
    this.#mask = size - 1
  }
}
