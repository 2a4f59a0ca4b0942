import { type Answer, Connection } from './connection.ts'
import { Histogram } from './histogram.ts'
import { nowUs, until } from './monotonic.ts'
import { type RequestShape, RequestTemplate } from './request-template.ts'
import { startTicker, type Ticker } from './ticker.ts'

export interface PublisherOptions extends RequestShape {
  /** One request is under way on each. */
  readonly connections: number
  /**
   * Events a second over all connections; requests are due at even intervals, and latency counts from when a
   * request was due, not from when a connection was free for it. Undefined: each connection publishes as
   * soon as it was answered.
   */
  readonly ratePerS?: number
  /** Asked before each request; while it says no, nothing is sent. */
  readonly mayPublish?: () => boolean
  /** So many requests and no more. */
  readonly requests?: number
  readonly firstSequence?: number
  readonly onAcknowledged?: (firstSequence: number, events: number) => void
  /** An answer other than 2xx, or none. Default: throws away what was not acknowledged and counts it. */
  readonly onRefused?: (answer: Answer) => void
}

interface Line {
  readonly connection: Connection
  readonly template: RequestTemplate
  firstSequence: number
  dueUs: number
}

/** How long a connection rests after it was cut or refused. */
const restMs = 20
/** How often a publisher that may not publish asks again. */
const askAgainUs = 500

/** Publishes until it is stopped. */
export class Publisher {
  readonly latency = new Histogram()
  /** Events that were answered 2xx. */
  acknowledged = 0
  requests = 0
  /** Requests that were not, by status or error. */
  readonly refused = new Map<string, number>()
  /** The first answer that was not 2xx, for the person who reads the figures. */
  firstRefusal: string | undefined

  readonly #options: PublisherOptions
  readonly #lines: readonly Line[]
  readonly #idle: Line[] = []
  readonly #stepUs: number
  #ticker: Ticker | undefined
  #nextDueUs = 0
  #sequence: number
  #sent = 0
  #busy = 0
  #stopped = false

  constructor(options: PublisherOptions) {
    this.#options = options
    this.#sequence = options.firstSequence ?? 0
    this.#stepUs = options.ratePerS === undefined ? 0 : (1e6 * options.batch) / options.ratePerS
    this.#lines = Array.from({ length: options.connections }, () => this.#createLine())
  }

  /** Events given a sequence so far; the next one to be published has this number. */
  get nextSequence(): number {
    return this.#sequence
  }

  get finished(): boolean {
    return this.#busy === 0 && (this.#stopped || this.#exhausted)
  }

  async start(): Promise<void> {
    this.#idle.push(...this.#lines)
    this.#nextDueUs = nowUs()
    if (this.#stepUs > 0 || this.#options.mayPublish)
      this.#ticker = await startTicker(this.#stepUs > 0 ? Math.max(this.#stepUs, 250) : askAgainUs, () =>
        this.#sendDue(),
      )
    this.#nextDueUs = nowUs()
    this.#sendDue()
  }

  /** Waits for what is under way, at most `withinMs`, then closes every connection. */
  async stop(withinMs = 10_000): Promise<void> {
    this.#stopped = true
    await this.#ticker?.stop()
    await until(() => this.#busy === 0, withinMs, 5)
    for (const { connection } of this.#lines) connection.close()
  }

  get #exhausted(): boolean {
    return this.#sent >= (this.#options.requests ?? Number.POSITIVE_INFINITY)
  }

  #createLine(): Line {
    const line: Line = {
      connection: new Connection(this.#options.url, (answer) => this.#answered(line, answer)),
      template: new RequestTemplate(this.#options),
      firstSequence: 0,
      dueUs: 0,
    }
    return line
  }

  #sendDue(): void {
    const { mayPublish } = this.#options
    while (this.#idle.length > 0 && !this.#stopped && !this.#exhausted) {
      const now = nowUs()
      if (this.#stepUs > 0 && this.#nextDueUs > now) return
      if (mayPublish && !mayPublish()) return
      this.#send(this.#idle.pop() as Line, this.#stepUs > 0 ? Math.floor(this.#nextDueUs) : now)
      this.#nextDueUs += this.#stepUs
    }
  }

  #send(line: Line, dueUs: number): void {
    const { connection, template } = line
    line.firstSequence = this.#sequence
    line.dueUs = dueUs
    this.#sequence += template.batch
    this.#sent++
    this.#busy++
    template.patch(line.firstSequence, dueUs)
    connection.send(template.bytes)
  }

  #answered(line: Line, answer: Answer): void {
    this.#busy--
    if ('status' in answer && answer.status < 300) {
      this.acknowledged += line.template.batch
      this.requests++
      this.latency.add(nowUs() - line.dueUs)
      this.#options.onAcknowledged?.(line.firstSequence, line.template.batch)
      this.#idle.push(line)
      this.#sendDue()
      return
    }
    const kind = 'status' in answer ? String(answer.status) : answer.broken
    this.refused.set(kind, (this.refused.get(kind) ?? 0) + 1)
    this.firstRefusal ??= 'status' in answer ? answer.text : answer.broken
    this.#options.onRefused?.(answer)
    setTimeout(() => {
      this.#idle.push(line)
      this.#sendDue()
    }, restMs)
  }
}
