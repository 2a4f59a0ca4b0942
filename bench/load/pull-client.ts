import { connect, type Socket } from 'node:net'
import { blankId, createRun, dueUsAt, idLength, markOf, sequenceAt, writeId } from './event-id.ts'
import { Histogram } from './histogram.ts'
import { MessageReader } from './message-reader.ts'
import { nowUs } from './monotonic.ts'

/*
 * Publishers to a namespace topic and receivers of its event subscriptions: raw HTTP/1.1 over kept-alive connections,
 * with requests that are built once and patched in place.
 */

export interface PullTarget {
  /** Up to `/topics/`. */
  readonly base: string
  readonly topic: string
  readonly key: string
}

export interface PullLoad {
  readonly publishers: number
  /** Events in one request. */
  readonly batch: number
  readonly receivers: number
  /** Event subscriptions that the receivers take turns at; each gets every event. */
  readonly eventSubscriptions: readonly string[]
  /** Events a second over all publishers, each due at its moment; undefined: as fast as they are answered. */
  readonly ratePerS?: number | undefined
  /** Publishing stops after so many. */
  readonly events?: number | undefined
}

const eventBytes = 1024
const version = 'api-version=2024-06-01'
/** Published and not yet acknowledged by the slowest event subscription: beyond it publishers pause. */
const mostUnderWay = 20_000
const tokens = /"lockToken":"([^"]+)"/g

export class PullClient {
  run = createRun()
  readonly #target: PullTarget
  readonly #load: PullLoad
  readonly #seen: Uint8Array[]
  #nextSequence = 0
  #isStopped = false
  #paused: (() => void)[] = []
  #lines: Line[] = []
  published = 0
  received = 0
  acknowledged = 0
  /** Received again though they had been received. */
  duplicates = 0
  /** From when an event was due to be published, or was, until it had been received. */
  readonly endToEnd = new Histogram()
  readonly publishing = new Histogram()
  /** Of requests to receive that were answered with events. */
  readonly receiving = new Histogram()
  readonly acknowledging = new Histogram()
  failure: Error | undefined

  constructor(target: PullTarget, load: PullLoad) {
    this.#target = target
    this.#load = load
    this.#seen = load.eventSubscriptions.map(() => new Uint8Array(1 << 20))
  }

  start(): void {
    const { publishers, receivers } = this.#load
    for (let n = 0; n < publishers; n++) void this.#run(() => this.#publish(n))
    for (let n = 0; n < receivers; n++) void this.#run(() => this.#receive(n))
  }

  /** Counts the events of another run, which that one has published. */
  countAs(run: string): void {
    this.run = run
  }

  stop(): void {
    this.#isStopped = true
    for (const line of this.#lines) line.close()
  }

  clear(): void {
    for (const histogram of [this.endToEnd, this.publishing, this.receiving, this.acknowledging])
      histogram.clear()
  }

  async #run(work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      // What was under way when it was stopped is nobody's fault.
      if (!this.#isStopped) this.failure ??= error as Error
    }
  }

  #open(): Line {
    const line = new Line(this.#target.base)
    this.#lines.push(line)
    return line
  }

  async #publish(publisher: number): Promise<void> {
    const { batch, publishers, ratePerS, events = Number.POSITIVE_INFINITY } = this.#load
    const line = this.#open()
    const { bytes, idsAt } = this.#publishRequest()
    const pauseUs = ratePerS === undefined ? 0 : (publishers * batch * 1e6) / ratePerS
    let dueUs = nowUs() + (publisher * pauseUs) / publishers
    while (!this.#isStopped && this.#nextSequence < events) {
      if (ratePerS === undefined) await this.#whileTooMany()
      else await untilUs(dueUs)
      const startUs = ratePerS === undefined ? nowUs() : dueUs
      dueUs += pauseUs
      for (const at of idsAt) writeId(bytes, at, this.#nextSequence++, Math.floor(startUs))
      const { status, text } = await line.send(bytes, () => {})
      if (status !== 200) throw new Error(`publishing was answered ${status}: ${text}`)
      this.published += batch
      this.publishing.add(nowUs() - startUs)
    }
  }

  /** Receivers that are behind would else measure a backlog. */
  async #whileTooMany(): Promise<void> {
    const { receivers, eventSubscriptions } = this.#load
    if (receivers === 0) return
    while (this.published - this.acknowledged / eventSubscriptions.length > mostUnderWay && !this.#isStopped)
      await new Promise<void>((resolve) => this.#paused.push(resolve))
  }

  async #receive(receiver: number): Promise<void> {
    const { batch, eventSubscriptions } = this.#load
    const line = this.#open()
    const mark = Buffer.from(markOf(this.run))
    const waitS = eventSubscriptions.length > 1 ? 10 : 60
    const requests = eventSubscriptions.map((name) =>
      Buffer.from(this.#request(name, 'receive', `&maxEvents=${batch}&maxWaitTime=${waitS}`, 0)),
    )
    for (let turn = receiver; !this.#isStopped; turn++) {
      const index = turn % eventSubscriptions.length
      const seen = this.#seen
      const startUs = nowUs()
      let events = 0
      let found: readonly string[] = []
      const { status, text } = await line.send(requests[index] as Buffer, (body) => {
        const endUs = nowUs()
        for (let at = body.indexOf(mark); at >= 0; at = body.indexOf(mark, at + idLength)) {
          const sequence = sequenceAt(body, at)
          const times = roomFor(seen[index] as Uint8Array, sequence)
          seen[index] = times
          if (times[sequence] === 1) this.duplicates++
          times[sequence] = 1
          this.endToEnd.add(endUs - dueUsAt(body, at))
          events++
        }
        found = Array.from(body.toString('latin1').matchAll(tokens), ([, token]) => token as string)
      })
      if (status !== 200) throw new Error(`receiving was answered ${status}: ${text}`)
      if (found.length === 0) continue
      this.receiving.add(nowUs() - startUs)
      this.received += events
      await this.#acknowledge(line, eventSubscriptions[index] as string, found)
    }
  }

  async #acknowledge(line: Line, name: string, found: readonly string[]): Promise<void> {
    const body = `{"lockTokens":["${found.join('","')}"]}`
    const startUs = nowUs()
    const { status, text } = await line.send(
      Buffer.from(this.#request(name, 'acknowledge', '', body.length) + body),
      (answer) => {
        if (answer.includes('"failedLockTokens":[{'))
          throw new Error(`a token was refused: ${answer.toString('utf8', 0, 400)}`)
      },
    )
    if (status !== 200) throw new Error(`acknowledging was answered ${status}: ${text}`)
    this.acknowledging.add(nowUs() - startUs)
    this.acknowledged += found.length
    const paused = this.#paused
    this.#paused = []
    for (const resume of paused) resume()
  }

  #request(name: string, operation: string, query: string, length: number): string {
    const { base, topic, key } = this.#target
    const { host, pathname } = new URL(base)
    const path = `${pathname}/topics/${topic}/eventsubscriptions/${name}:${operation}?${version}${query}`
    return (
      `POST ${path} HTTP/1.1\r\nHost: ${host}\r\nAuthorization: SharedAccessKey ${key}\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${length}\r\n\r\n`
    )
  }

  #publishRequest(): { readonly bytes: Buffer; readonly idsAt: readonly number[] } {
    const { base, topic, key } = this.#target
    const { host, pathname } = new URL(base)
    const encode = (note: string) =>
      JSON.stringify({
        ...{ specversion: '1.0', type: 'Bench.Reading', source: '/sites/7', id: blankId(this.run) },
        ...{ time: '2026-01-01T00:00:00.000Z', subject: 'devices/thermostat-42' },
        ...{ datacontenttype: 'application/json', data: { deviceId: 'thermostat-42', celsius: 20.25, note } },
      })
    const event = encode('.'.repeat(eventBytes - encode('').length))
    const body = `[${Array<string>(this.#load.batch).fill(event).join(',')}]`
    const bytes = Buffer.from(
      `POST ${pathname}/topics/${topic}:publish?${version} HTTP/1.1\r\nHost: ${host}\r\n` +
        `Authorization: SharedAccessKey ${key}\r\nContent-Type: application/cloudevents-batch+json; charset=utf-8\r\n` +
        `Content-Length: ${body.length}\r\n\r\n${body}`,
    )
    const idsAt: number[] = []
    const mark = markOf(this.run)
    for (let at = bytes.indexOf(mark); at >= 0; at = bytes.indexOf(mark, at + 1)) idsAt.push(at)
    return { bytes, idsAt }
  }
}

/** One connection with one request on it at a time. */
class Line {
  readonly #socket: Socket
  #waiting:
    | { onBody: (body: Buffer) => void; resolve: (answer: Answer) => void; reject: (error: Error) => void }
    | undefined

  constructor(base: string) {
    const { hostname, port } = new URL(base)
    this.#socket = connect({ host: hostname, port: Number(port), noDelay: true })
    const reader = new MessageReader((head, body) => this.#answer(head, body))
    this.#socket.on('data', (chunk: Buffer) => reader.push(chunk))
    this.#socket.on('error', (error) => this.#fail(error))
    this.#socket.on('close', () => this.#fail(new Error('the connection was closed')))
  }

  /** @param onBody called with the body of a good answer, which is valid only during the call */
  send(request: Buffer, onBody: (body: Buffer) => void): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#waiting = { onBody, resolve, reject }
      this.#socket.write(request)
    })
  }

  close(): void {
    this.#socket.destroy()
  }

  #answer(head: string, body: Buffer): void {
    const waiting = this.#waiting
    if (!waiting) return
    this.#waiting = undefined
    const status = Number(head.slice(9, 12))
    try {
      if (status === 200) waiting.onBody(body)
      waiting.resolve({ status, text: status === 200 ? '' : body.toString('utf8', 0, 400) })
    } catch (error) {
      waiting.reject(error as Error)
    }
  }

  #fail(error: Error): void {
    const waiting = this.#waiting
    this.#waiting = undefined
    waiting?.reject(error)
  }
}

interface Answer {
  readonly status: number
  readonly text: string
}

function roomFor(seen: Uint8Array, sequence: number): Uint8Array {
  if (sequence < seen.length) return seen
  const longer = new Uint8Array(Math.max(seen.length * 2, sequence + 1))
  longer.set(seen)
  return longer
}

/** Timers are late by up to a millisecond; the rest is waited for turn by turn. */
async function untilUs(dueUs: number): Promise<void> {
  const waitMs = (dueUs - nowUs()) / 1000 - 1
  if (waitMs > 0) await new Promise<void>((resolve) => setTimeout(resolve, waitMs))
  while (nowUs() < dueUs) await new Promise<void>((resolve) => setImmediate(resolve))
}
