import { type GivenUp, type Received, type Settling, settings } from './system.ts'

/*
 * What pull delivery promises, in its plainest form. What a crash leaves open is kept as what may be: an event that
 * was being published may be there, one that was being received may be locked, one that was being settled may be gone.
 * The model is told of what the system did, and throws for the first thing that must not be.
 */

interface ModelEvent {
  readonly id: number
  readonly publishedAt: number
  /** How often it has been received, at least and at most. */
  least: number
  most: number
  /** It can be received from a moment on that is no earlier and no later than these. */
  earliest: number
  latest: number
  token: string | undefined
  /** The lock of the token lasts until then, at least and at most. */
  lockedUntilLeast: number
  lockedUntilMost: number
  /** It must be given up, and not be received again. */
  isRejected: boolean
  /** It is over: acknowledged, or given up. */
  isGone: boolean
  /** It may never have been there, or be over already. */
  mayBeGone: boolean
  mayBeRejected: boolean
}

export class Model {
  readonly #events = new Map<number, ModelEvent>()
  readonly #byToken = new Map<string, ModelEvent>()
  /** Tokens that were good once, the newest of them. */
  #oldTokens: string[] = []
  now: number

  constructor(now: number) {
    this.now = now
  }

  get size(): number {
    return this.#events.size
  }

  /** Tokens of events that may be locked. */
  tokens(): string[] {
    return [...this.#byToken.keys()]
  }

  oldTokens(): readonly string[] {
    return this.#oldTokens
  }

  published(ids: readonly number[], isCertain: boolean): void {
    for (const id of ids)
      this.#events.set(id, {
        ...{ id, publishedAt: this.now, least: 0, most: 0, earliest: this.now, latest: this.now },
        ...{ token: undefined, lockedUntilLeast: 0, lockedUntilMost: 0 },
        ...{ isRejected: false, isGone: false, mayBeGone: !isCertain, mayBeRejected: false },
      })
  }

  received(max: number, events: readonly Received[]): void {
    this.#expect(events.length <= max, `${events.length} events were received of at most ${max}`)
    for (const { id, count, token } of events) {
      const event = this.#events.get(id)
      if (!event) throw new Error(`event ${id} was received, which is over or was never published`)
      const { earliest, least, most, isRejected } = event
      this.#expect(!isRejected, `event ${id} was received after it had been rejected`)
      this.#expect(
        earliest <= this.now,
        `event ${id} was received at ${this.now}, and is held until ${earliest}`,
      )
      this.#expect(
        count > least && count <= most + 1,
        `event ${id} was received for the ${count}. time, after ${least} to ${most} times`,
      )
      this.#expect(count <= settings.maxDeliveryCount, `event ${id} was received for the ${count}. time`)
      this.#expect(!this.#hasExpired(event), `event ${id} was received after its time to live`)
      this.#expect(!this.#byToken.has(token), `event ${id} came with a token that was there before`)
      this.#forgetToken(event)
      const until = this.now + settings.lockMs
      Object.assign(event, { least: count, most: count, mayBeGone: false, mayBeRejected: false, token })
      Object.assign(event, {
        earliest: until,
        latest: until,
        lockedUntilLeast: until,
        lockedUntilMost: until,
      })
      this.#byToken.set(token, event)
    }
  }

  /** Somebody asked for events while the server was killed. */
  mayHaveReceived(): void {
    const until = this.now + settings.lockMs
    for (const event of this.#events.values()) {
      if (event.earliest > this.now || event.isRejected) continue
      event.most = Math.min(event.most + 1, settings.maxDeliveryCount)
      event.latest = Math.max(event.latest, until)
      // Whoever got it was not told; its old token is lost if so.
      event.lockedUntilLeast = 0
    }
  }

  settled(how: Settling, tokens: readonly string[], delayMs: number, good: readonly boolean[]): void {
    const seen = new Set<string>()
    for (const [n, token] of tokens.entries()) {
      const isGood = good[n] as boolean
      const event = this.#byToken.get(token)
      const isFirst = !seen.has(token)
      seen.add(token)
      const must = isFirst && event !== undefined && event.lockedUntilLeast > this.now && !event.mayBeGone
      const may = isFirst && event !== undefined && event.lockedUntilMost > this.now
      this.#expect(!must || isGood, `${how} of event ${event?.id} was refused, and its lock is good`)
      this.#expect(
        !isGood || may,
        `${how} with token ${token} of event ${event?.id} was done, and there is no such lock`,
      )
      if (event && isGood) this.#settle(event, how, delayMs)
      else if (event && isFirst) this.#lost(event)
    }
  }

  /** It was asked for while the server was killed. */
  maySettle(how: Settling, tokens: readonly string[], delayMs: number): void {
    for (const token of new Set(tokens)) {
      const event = this.#byToken.get(token)
      if (!event || event.lockedUntilMost <= this.now) continue
      if (how === 'renewLock') {
        const until = this.now + settings.lockMs
        event.latest = Math.max(event.latest, until)
        event.lockedUntilMost = Math.max(event.lockedUntilMost, until)
        continue
      }
      event.lockedUntilLeast = 0
      if (how === 'acknowledge') {
        event.mayBeGone = true
        continue
      }
      // What is to be given up is so at once.
      const isOver = how === 'reject' || event.most >= settings.maxDeliveryCount
      if (how === 'reject') event.mayBeRejected = true
      event.earliest = Math.min(event.earliest, this.now + (isOver ? 0 : delayMs))
      event.latest = Math.max(event.latest, this.now + delayMs)
    }
  }

  givenUp(events: readonly GivenUp[]): void {
    for (const { id, reason } of events) {
      const event = this.#events.get(id)
      if (!event)
        throw new Error(`event ${id} was given up (${reason}), which is over or was never published`)
      this.#expect(event.earliest <= this.now, `event ${id} was given up (${reason}) while it is held`)
      const isDue = {
        Rejected: event.isRejected || event.mayBeRejected,
        MaxDeliveryAttemptsExceeded: event.most >= settings.maxDeliveryCount,
        TimeToLiveExceeded: this.#hasExpired(event),
      }[reason]
      this.#expect(isDue === true, `event ${id} was given up (${reason}), and there is no cause for that`)
      this.#end(event)
    }
  }

  /** The server was killed: what is to be given up may have been, without anybody hearing of it. */
  killed(): void {
    for (const event of this.#events.values()) if (this.#mayBeGivenUp(event)) event.mayBeGone = true
  }

  /** The ids of events that must be there to be received now. */
  available(): number[] {
    const available: number[] = []
    for (const event of this.#events.values()) {
      if (event.mayBeGone || event.isRejected || event.mayBeRejected || event.latest > this.now) continue
      if (event.most >= settings.maxDeliveryCount || this.#hasExpired(event)) continue
      available.push(event.id)
    }
    return available
  }

  /** Events that must be in the queue; and those that may be. */
  get bounds(): { readonly least: number; readonly most: number } {
    let least = 0
    for (const event of this.#events.values()) if (!event.mayBeGone && !this.#mayBeGivenUp(event)) least++
    return { least, most: this.#events.size }
  }

  #settle(event: ModelEvent, how: Settling, delayMs: number): void {
    if (how === 'renewLock') {
      const until = this.now + settings.lockMs
      Object.assign(event, {
        earliest: until,
        latest: until,
        lockedUntilLeast: until,
        lockedUntilMost: until,
      })
      Object.assign(event, { mayBeGone: false, mayBeRejected: false })
      return
    }
    if (how === 'acknowledge') {
      this.#end(event)
      return
    }
    this.#forgetToken(event)
    const dueAt = this.now + (how === 'release' && event.least < settings.maxDeliveryCount ? delayMs : 0)
    Object.assign(event, { earliest: dueAt, latest: dueAt, mayBeGone: false, mayBeRejected: false })
    if (how === 'reject') event.isRejected = true
  }

  /** Its token was refused, so whatever may have happened to it has. */
  #lost(event: ModelEvent): void {
    if (event.lockedUntilMost <= this.now || event.lockedUntilLeast > this.now) return
    this.#forgetToken(event)
  }

  #forgetToken(event: ModelEvent): void {
    const { token } = event
    if (token === undefined) return
    this.#byToken.delete(token)
    event.token = undefined
    Object.assign(event, { lockedUntilLeast: 0, lockedUntilMost: 0 })
    this.#oldTokens.push(token)
    if (this.#oldTokens.length > 100) this.#oldTokens = this.#oldTokens.slice(50)
  }

  #end(event: ModelEvent): void {
    this.#forgetToken(event)
    event.isGone = true
    this.#events.delete(event.id)
  }

  #hasExpired = ({ publishedAt }: ModelEvent) => this.now - publishedAt >= settings.eventTimeToLiveMs

  #mayBeGivenUp(event: ModelEvent): boolean {
    if (event.earliest > this.now) return false
    const { isRejected, mayBeRejected, most } = event
    return isRejected || mayBeRejected || most >= settings.maxDeliveryCount || this.#hasExpired(event)
  }

  #expect(kept: boolean, what: string): void {
    if (!kept) throw new Error(what)
  }
}
