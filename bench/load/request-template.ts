import { blankId, markOf, writeId } from './event-id.ts'

export interface RequestShape {
  /** Where to publish, with its query. */
  readonly url: string
  /** Value of `aeg-sas-key`. */
  readonly key?: string | undefined
  /** Events in one request. */
  readonly batch: number
  /** Bytes of one event. */
  readonly eventBytes: number
  readonly eventType: string
  /** Events go to so many topics of a domain by turns; undefined: to a topic. */
  readonly domainTopics?: number | undefined
  /** Names the run in the ids of its events. */
  readonly run: string
}

/**
 * One publish request, built once and patched before each time it is sent. Each connection has its own: a
 * request is not touched again before it was answered.
 */
export class RequestTemplate {
  readonly bytes: Buffer
  readonly batch: number
  readonly #idsAt: readonly number[]
  readonly #topicsAt: readonly number[]
  readonly #domainTopics: number

  constructor(shape: RequestShape) {
    const { url, key, batch } = shape
    const { host, pathname, search } = new URL(url)
    const body = `[${Array<string>(batch).fill(encodeEvent(shape)).join(',')}]`
    const head = [
      `POST ${pathname}${search} HTTP/1.1`,
      `Host: ${host}`,
      'Content-Type: application/json',
      ...(key === undefined ? [] : [`aeg-sas-key: ${key}`]),
      `Content-Length: ${Buffer.byteLength(body)}`,
      '\r\n',
    ].join('\r\n')
    this.bytes = Buffer.from(head + body)
    this.batch = batch
    this.#idsAt = positionsOf(this.bytes, markOf(shape.run))
    this.#topicsAt = positionsOf(this.bytes, domainTopicMark)
    this.#domainTopics = shape.domainTopics ?? 0
  }

  /** Gives the events the sequences from `firstSequence` on, due at `dueUs`. */
  patch(firstSequence: number, dueUs: number): void {
    let sequence = firstSequence
    for (const at of this.#idsAt) writeId(this.bytes, at, sequence++, dueUs)
    sequence = firstSequence
    for (const at of this.#topicsAt)
      this.bytes.write(domainTopicName((sequence++ * stride) % this.#domainTopics), at, 'latin1')
  }
}

/** Consecutive events go to topics that are far apart. A prime, so that every topic has its turn. */
const stride = 7919

const domainTopicMark = 'bench-tenant-'

/** Of fixed width, so that a request is patched in place. */
export const domainTopicName = (index: number): string => domainTopicMark + String(index).padStart(6, '0')

function positionsOf(bytes: Buffer, mark: string): readonly number[] {
  const found: number[] = []
  for (let at = bytes.indexOf(mark); at >= 0; at = bytes.indexOf(mark, at + 1)) found.push(at)
  return found
}

/** An event in the Event Grid schema with data of the kind that devices send, as long as asked for. */
function encodeEvent({ run, eventType, eventBytes, domainTopics }: RequestShape): string {
  const readings: object[] = []
  const encode = (note: string) =>
    JSON.stringify({
      id: blankId(run),
      topic: domainTopics === undefined ? undefined : domainTopicName(0),
      eventType,
      subject: '/sites/7/devices/thermostat-42',
      eventTime: new Date().toISOString(),
      dataVersion: '1.0',
      data: { deviceId: 'thermostat-42', firmware: [1, 14, 3], readings, note },
    })
  for (;;) {
    const next = { sensor: `room-${readings.length}`, celsius: 20.25 + readings.length, humid: false }
    const bytes = encode('').length + JSON.stringify(next).length + 1
    if (bytes > eventBytes) break
    readings.push(next)
  }
  return encode('.'.repeat(Math.max(0, eventBytes - encode('').length)))
}
