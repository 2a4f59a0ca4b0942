import { createSystemClock } from '../base/clock.ts'
import { OperatorError } from '../base/operator-error.ts'
import { type Answer, type Client, pause, refusalOf } from './client.ts'

/*
 * Events out, in requests of many: at the pace asked for, again where the server is busy, and with count of what
 * was accepted and what was refused.
 */

export interface PublisherOptions {
  readonly client: Client
  /** Below the client's base. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  /** Events in one request, at most. */
  readonly batchEvents: number
  /** Events a second; undefined: as fast as they are accepted. */
  readonly rate: number | undefined
  /** How long a busy server is asked again. */
  readonly retryMs: number
  /** One line for each request that was refused. */
  readonly onRefused: (line: string) => void
  /** Between two calls of `onProgress`. */
  readonly progressMs: number
  /** Called while it takes long, with what has become of the events until then. */
  readonly onProgress: (summary: Summary) => void
}

export interface Summary {
  readonly accepted: number
  readonly refused: number
  readonly requests: number
  readonly retries: number
  readonly seconds: number
}

/** What servers allow in one request: 1 MiB, less brackets and commas. */
const requestBytes = 1_048_000
/** With a pace, so many requests a second. */
const requestsPerSecond = 20
const firstRetryMs = 1_000
const longestRetryMs = 30_000
const [open, comma, close] = ['[', ',', ']'].map((text) => Buffer.from(text)) as [Buffer, Buffer, Buffer]

export class Publisher {
  readonly #options: PublisherOptions
  readonly #clock = createSystemClock()
  readonly #startedAt = this.#clock.now()
  readonly #batchEvents: number
  #batch: Buffer[] = []
  #bytes = 0
  #taken = 0
  #accepted = 0
  #refused = 0
  #requests = 0
  #retries = 0
  #toldAt = this.#startedAt

  constructor(options: PublisherOptions) {
    this.#options = options
    const { batchEvents, rate } = options
    this.#batchEvents =
      rate === undefined
        ? batchEvents
        : Math.min(batchEvents, Math.max(1, Math.floor(rate / requestsPerSecond)))
  }

  /** Takes an event; resolves when the next may come. Rejects when there is no use in going on. */
  async add(event: Buffer): Promise<void> {
    if (this.#batch.length > 0 && this.#bytes + event.length + 1 > requestBytes) await this.flush()
    this.#batch.push(event)
    this.#bytes += event.length + 1
    this.#taken++
    if (this.#batch.length >= this.#batchEvents) await this.flush()
  }

  /** Sends what was taken and not yet sent. */
  async flush(): Promise<void> {
    const events = this.#batch
    if (events.length === 0) return
    this.#batch = []
    this.#bytes = 0
    await this.#keepPace(events.length)
    await this.#send(events, this.#taken - events.length)
    const now = this.#clock.now()
    if (now - this.#toldAt < this.#options.progressMs) return
    this.#toldAt = now
    this.#options.onProgress(this.summary())
  }

  summary(): Summary {
    return {
      accepted: this.#accepted,
      refused: this.#refused,
      requests: this.#requests,
      retries: this.#retries,
      seconds: (this.#clock.now() - this.#startedAt) / 1000,
    }
  }

  /** Waits until these events may go, counted from the start, so that a delay is made good later. */
  async #keepPace(events: number): Promise<void> {
    const { rate } = this.#options
    if (rate === undefined) return
    const dueAt = this.#startedAt + ((this.#taken - events) / rate) * 1000
    await pause(dueAt - this.#clock.now())
  }

  /** @param before how many events of the input came before these */
  async #send(events: readonly Buffer[], before: number): Promise<void> {
    const answer = await this.#post(events)
    if (answer.status === 200) {
      this.#accepted += events.length
      return
    }
    const refusal = refusalOf(answer, this.#options.path)
    if (answer.status === 413 && events.length > 1) {
      // Another limit than the usual one: in halves it may fit.
      const half = events.length >> 1
      await this.#send(events.slice(0, half), before)
      await this.#send(events.slice(half), before + half)
      return
    }
    this.#refused += events.length
    // The next request would fare no better.
    if ([401, 403, 404, 429, 503].includes(answer.status)) throw new OperatorError(refusal.message)
    const which =
      events.length === 1 ? `event ${before + 1}` : `events ${before + 1}-${before + events.length}`
    this.#options.onRefused(`${which} refused: ${refusal.message}`)
  }

  /** One request, made again while the server says that it is busy. */
  async #post(events: readonly Buffer[]): Promise<Answer> {
    const { client, path, headers, retryMs } = this.#options
    const body = bodyOf(events)
    const until = this.#clock.now() + retryMs
    for (let wait = firstRetryMs; ; wait = Math.min(wait * 2, longestRetryMs)) {
      this.#requests++
      const answer = await client.send('POST', path, { body, headers, anonymous: true })
      if (answer.status !== 429 && answer.status !== 503) return answer
      const pauseMs = retryAfterMs(answer, this.#clock.now()) ?? wait
      if (this.#clock.now() + pauseMs > until) return answer
      this.#retries++
      await pause(pauseMs)
    }
  }
}

function bodyOf(events: readonly Buffer[]): Buffer {
  const parts: Buffer[] = []
  for (const event of events) parts.push(parts.length === 0 ? open : comma, event)
  parts.push(close)
  return Buffer.concat(parts)
}

/** Source: RFC 9110, 10.2.3: seconds or a date. */
function retryAfterMs({ headers }: Answer, now: number): number | undefined {
  const text = headers['retry-after']
  if (text === undefined) return undefined
  const ms = /^\s*\d+\s*$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now
  return Number.isNaN(ms) ? undefined : Math.max(0, ms)
}
