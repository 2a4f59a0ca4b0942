import type { Clock, EpochMs } from '../base/clock.ts'
import { newGuid } from '../base/ids.ts'
import type { Log } from '../base/log.ts'
import { encodeMoment } from '../base/moment.ts'
import type { MessageProperties } from '../hubmessage/message.ts'
import type { HubMessaging } from '../resources/hub-messaging.ts'
import type { RecordChange, Records } from '../store/store.ts'
import {
  type Ack,
  type CloudMessage,
  checkMessage,
  type Devicebound,
  type LockedMessage,
  messageLockMs,
  messageTtlMsMost,
  pendingPerDeviceMost,
  pendingPerHubMost,
  type Refuse,
} from './devicebound.ts'
import { Due, type DueItem } from './due.ts'
import { type NewNotice, Notices } from './notices.ts'
import { keyOfNumber, Writer } from './writer.ts'

/*
 * One queue for each device for which something waits. Of a message its record says what is needed to judge it, and
 * another record has its body, which is read when the device takes it.
 */

export interface DeviceboundOptions {
  readonly hubUid: string
  readonly records: Records
  /** As they are now. */
  readonly settings: () => HubMessaging
  /** A device as it is registered now; undefined: it is not. */
  readonly find: (deviceId: string) => Promise<{ readonly generationId: string } | undefined>
  readonly refuse: Refuse
  readonly clock: Clock
  readonly log: Log
}

/** Source: learn.microsoft.com/azure/iot-hub/iot-hub-devguide-messages-c2d, "Message feedback" */
const feedbackBatch = { most: 64, waitMs: 15_000 }
/** Before what could not be written is tried again. */
const writeAgainMs = 1_000
const readAtOnce = 500

/** As it is stored, beside its body. */
interface StoredEntry {
  readonly enqueuedAt: EpochMs
  readonly expiresAt: EpochMs
  readonly ack: Ack
  readonly messageId: string | undefined
  readonly generationId: string
  readonly deliveryCount: number
}

interface StoredBody extends MessageProperties {
  readonly payload: string
}

/** `writing`: something of it is on its way to the disk. */
interface Entry extends StoredEntry, DueItem {
  readonly deviceId: string
  readonly sequenceNumber: number
  deliveryCount: number
  state: 'writing' | 'waiting' | 'locked' | 'gone'
  lockToken: string | undefined
}

/** What becomes of a message, as feedback says it. */
type Outcome = 'Success' | 'Expired' | 'DeliveryCountExceeded' | 'Rejected' | 'Purged'

export class DeviceboundQueues implements Devicebound {
  readonly feedback: Notices
  readonly fileNotifications: Notices
  readonly #options: DeviceboundOptions
  readonly #writer: Writer
  readonly #due: Due
  /** By device, oldest first; never empty. */
  readonly #queues = new Map<string, Entry[]>()
  readonly #listeners: ((deviceId: string) => void)[] = []
  readonly #pending = new Set<Promise<unknown>>()
  /** Sends whose device is being looked up. */
  readonly #lookups = new Set<{ readonly deviceId: string; isStale: boolean }>()
  readonly #prefix: string
  #count = 0
  #sequence = 0

  private constructor(options: DeviceboundOptions, writer: Writer, feedback: Notices, files: Notices) {
    this.#options = options
    this.#writer = writer
    this.#due = new Due(options.clock)
    this.#prefix = `hub/${options.hubUid}/c2d/`
    this.feedback = feedback
    this.fileNotifications = files
  }

  static async open(options: DeviceboundOptions): Promise<DeviceboundQueues> {
    const { hubUid, records, settings, refuse, clock, log } = options
    const writer = new Writer(records)
    const follow = (work: Promise<unknown>) => {
      work.catch((error: unknown) =>
        log.error({ err: error, hub: hubUid }, 'What the service side is told could not be stored.'),
      )
    }
    const shared = { records, writer, follow, refuse, clock, log }
    const feedback = await Notices.open({
      ...shared,
      prefix: `hub/${hubUid}/c2d/feedback/`,
      settings: () => settings().cloudToDevice.feedback,
      batch: feedbackBatch,
      contentType: 'application/vnd.microsoft.iothub.feedback.json',
    })
    const files = await Notices.open({
      ...shared,
      prefix: `hub/${hubUid}/c2d/file/`,
      settings: () => settings().fileNotifications,
      batch: undefined,
      contentType: 'application/json; charset=utf-8',
    })
    const queues = new DeviceboundQueues(options, writer, feedback, files)
    await queues.#load()
    return queues
  }

  /** What was left when the device was deleted, by a crash in between, is dropped. */
  async #load(): Promise<void> {
    const { records, find } = this.#options
    const stored = await records.get(`${this.#prefix}sequence`)
    this.#sequence = (stored?.value as number | undefined) ?? 0
    const prefix = `${this.#prefix}entry/`
    const generations = new Map<string, string | undefined>()
    let after: string | undefined
    for (;;) {
      const some = await records.page(prefix, after, readAtOnce)
      for (const { key, value } of some) {
        const [deviceId = '', number] = key.slice(prefix.length).split('/')
        if (!generations.has(deviceId)) {
          // Entries of a device follow each other.
          generations.clear()
          generations.set(deviceId, (await find(deviceId))?.generationId)
        }
        const entry = this.#entryOf(deviceId, Number(number), value as StoredEntry)
        if (entry.generationId === generations.get(deviceId)) {
          this.#insert(entry)
          this.#await(entry)
        } else this.#follow(this.#writer.write(this.#removalOf(entry)))
      }
      after = some.at(-1)?.key
      if (some.length < readAtOnce) return
    }
  }

  onReady(listener: (deviceId: string) => void): void {
    this.#listeners.push(listener)
  }

  pendingOf(deviceId: string): number {
    return this.#queues.get(deviceId)?.length ?? 0
  }

  /** Whether the device still has that message under that lock. */
  holds(deviceId: string, lockToken: string): boolean {
    return this.#held(deviceId, lockToken) !== undefined
  }

  // ---------------------------------------------------------------- the service side

  async send(deviceId: string, message: CloudMessage): Promise<void> {
    const { refuse, clock, settings } = this.#options
    checkMessage(message, refuse)
    const generationId = await this.#lookUp(deviceId)
    const enqueuedAt = clock.now()
    const { ack, payload, system, properties } = message
    const expiresAt = message.expiresAt ?? clock.after(settings().cloudToDevice.defaultTtlMs, enqueuedAt)
    if (expiresAt <= enqueuedAt || expiresAt > enqueuedAt + messageTtlMsMost)
      throw refuse(
        'InvalidMessageExpiryTime',
        `A message expires in the future, and within two days: this one at ${new Date(expiresAt).toISOString()}.`,
      )
    if (this.pendingOf(deviceId) >= pendingPerDeviceMost)
      throw refuse(
        'DeviceMaximumQueueDepthExceeded',
        `At most ${pendingPerDeviceMost} messages wait for a device: '${deviceId}' has as many.`,
      )
    if (this.#count >= pendingPerHubMost)
      throw refuse(
        'IotHubQuotaExceeded',
        `At most ${pendingPerHubMost} messages wait for the devices of a hub.`,
      )
    // Feedback names it.
    const messageId = system.messageId ?? (ack === 'none' ? undefined : newGuid())
    const stored: StoredEntry = { enqueuedAt, expiresAt, ack, messageId, generationId, deliveryCount: 0 }
    const entry = this.#entryOf(deviceId, ++this.#sequence, stored)
    const body: StoredBody = {
      payload: payload.toString('base64'),
      system: { ...system, messageId },
      properties,
    }
    this.#insert(entry)
    try {
      await this.#writer.write([
        { key: this.#keyOf('entry', entry), value: stored },
        { key: this.#keyOf('body', entry), value: body },
        { key: `${this.#prefix}sequence`, value: this.#sequence },
      ])
    } catch (error) {
      this.#remove(entry)
      throw error
    }
    this.#await(entry)
  }

  /** The generation of the device, as it is when this resolves. */
  async #lookUp(deviceId: string): Promise<string> {
    const lookup = { deviceId, isStale: true }
    this.#lookups.add(lookup)
    try {
      let found: { readonly generationId: string } | undefined
      while (lookup.isStale) {
        lookup.isStale = false
        found = await this.#options.find(deviceId)
      }
      if (!found) throw this.#options.refuse('DeviceNotFound', deviceId)
      return found.generationId
    } finally {
      this.#lookups.delete(lookup)
    }
  }

  async purge(deviceId: string): Promise<number> {
    if (!(await this.#options.find(deviceId))) throw this.#options.refuse('DeviceNotFound', deviceId)
    const entries = (this.#queues.get(deviceId) ?? []).filter(
      ({ state }) => state === 'waiting' || state === 'locked',
    )
    await Promise.all(entries.map((entry) => this.#finish(entry, 'Purged')))
    return entries.length
  }

  /** The device is gone, and with it what waits for it and what would be told of it. Synchronous. */
  forget(deviceId: string): void {
    for (const lookup of this.#lookups) if (lookup.deviceId === deviceId) lookup.isStale = true
    const changes: RecordChange[] = [
      ...this.feedback.forget(deviceId),
      ...this.fileNotifications.forget(deviceId),
    ]
    for (const entry of [...(this.#queues.get(deviceId) ?? [])]) {
      this.#remove(entry)
      changes.push(...this.#removalOf(entry))
    }
    if (changes.length > 0) this.#follow(this.#writer.write(changes))
  }

  // ---------------------------------------------------------------- the device

  async receive(deviceId: string): Promise<LockedMessage | undefined> {
    const { records, clock, log } = this.#options
    for (let tries = 0; tries < pendingPerDeviceMost; tries++) {
      // One that is being written is not passed: who waits hears of it in a moment.
      const entry = this.#queues.get(deviceId)?.find(({ state }) => state !== 'locked')
      if (entry?.state !== 'waiting') return undefined
      if (entry.expiresAt <= clock.now()) {
        this.#due.clear(entry)
        await this.#finish(entry, 'Expired')
        continue
      }
      const lockToken = newGuid()
      entry.state = 'locked'
      entry.lockToken = lockToken
      this.#due.set(entry, clock.after(messageLockMs))
      let body: StoredBody | undefined
      try {
        body = (await records.get(this.#keyOf('body', entry)))?.value as StoredBody | undefined
      } catch (error) {
        if (this.#held(deviceId, lockToken)) this.#await(entry)
        throw error
      }
      // Purged, or its lock ended, while it was read.
      if (!this.#held(deviceId, lockToken)) continue
      if (!body) {
        log.error({ hub: this.#options.hubUid, device: deviceId }, 'A message to a device has lost its body.')
        await this.#finish(entry, 'Rejected')
        continue
      }
      const { system, properties } = body
      const { sequenceNumber, enqueuedAt, expiresAt, ack, deliveryCount } = entry
      return {
        ...{ lockToken, sequenceNumber, enqueuedAt, expiresAt, ack, deliveryCount, system, properties },
        payload: Buffer.from(body.payload, 'base64'),
      }
    }
    return undefined
  }

  async complete(deviceId: string, lockToken: string): Promise<void> {
    await this.#finish(this.#locked(deviceId, lockToken), 'Success')
  }

  async reject(deviceId: string, lockToken: string): Promise<void> {
    await this.#finish(this.#locked(deviceId, lockToken), 'Rejected')
  }

  async abandon(deviceId: string, lockToken: string): Promise<void> {
    await this.#giveBack(this.#locked(deviceId, lockToken))
  }

  #held(deviceId: string, lockToken: string): Entry | undefined {
    const entry = this.#queues.get(deviceId)?.find((each) => each.lockToken === lockToken)
    return entry?.state === 'locked' && entry.dueAt > this.#options.clock.now() ? entry : undefined
  }

  #locked(deviceId: string, lockToken: string): Entry {
    const entry = this.#held(deviceId, lockToken)
    if (entry) return entry
    throw this.#options.refuse('DeviceMessageLockLost', 'The lock of the message has ended.')
  }

  // ---------------------------------------------------------------- what becomes of a message

  /** Resolves when it and its feedback are durable; where they cannot be, the message waits again. */
  async #finish(entry: Entry, outcome: Outcome): Promise<void> {
    this.#remove(entry)
    const notice = this.#feedbackOf(entry, outcome)
    try {
      await this.#writer.write([...this.#removalOf(entry), ...(notice ? [notice.change] : [])])
    } catch (error) {
      this.#insert(entry)
      this.#await(entry, this.#options.clock.after(writeAgainMs))
      throw error
    }
    notice?.stored()
  }

  /** It was delivered in vain. */
  async #giveBack(entry: Entry): Promise<void> {
    const { clock, settings } = this.#options
    entry.deliveryCount++
    if (entry.deliveryCount >= settings().cloudToDevice.maxDeliveryCount)
      return this.#finish(entry, 'DeliveryCountExceeded')
    if (entry.expiresAt <= clock.now()) return this.#finish(entry, 'Expired')
    entry.state = 'writing'
    entry.lockToken = undefined
    this.#due.clear(entry)
    try {
      await this.#writer.write([{ key: this.#keyOf('entry', entry), value: storedOf(entry) }])
    } finally {
      this.#await(entry)
    }
  }

  #onDue(entry: Entry): void {
    this.#follow(entry.state === 'locked' ? this.#giveBack(entry) : this.#finish(entry, 'Expired'))
  }

  #feedbackOf(entry: Entry, outcome: Outcome): NewNotice | undefined {
    const { deviceId, ack, messageId, generationId } = entry
    const isWanted = ack === 'full' || ack === (outcome === 'Success' ? 'positive' : 'negative')
    if (!isWanted) return undefined
    return this.feedback.prepare(deviceId, {
      originalMessageId: messageId,
      enqueuedTimeUtc: encodeMoment(this.#options.clock.now()),
      ...{ statusCode: outcome, description: outcome },
      ...{ deviceId, deviceGenerationId: generationId },
    })
  }

  // ---------------------------------------------------------------- how it is kept

  #entryOf(deviceId: string, sequenceNumber: number, stored: StoredEntry): Entry {
    const entry: Entry = {
      ...stored,
      ...{ deviceId, sequenceNumber, state: 'writing', lockToken: undefined, dueAt: 0, place: -1 },
      onDue: () => this.#onDue(entry),
    }
    return entry
  }

  /** In its place. */
  #insert(entry: Entry): void {
    const queue = this.#queues.get(entry.deviceId) ?? []
    this.#queues.set(entry.deviceId, queue)
    const at = queue.findLastIndex(({ sequenceNumber }) => sequenceNumber < entry.sequenceNumber)
    queue.splice(at + 1, 0, entry)
    this.#count++
    entry.state = 'writing'
  }

  #remove(entry: Entry): void {
    this.#due.clear(entry)
    entry.state = 'gone'
    entry.lockToken = undefined
    const queue = this.#queues.get(entry.deviceId)
    const at = queue?.indexOf(entry) ?? -1
    if (!queue || at < 0) return
    queue.splice(at, 1)
    this.#count--
    if (queue.length === 0) this.#queues.delete(entry.deviceId)
  }

  /** From now on it waits for its device, unless it is gone. */
  #await(entry: Entry, dueAt = entry.expiresAt): void {
    if (entry.state === 'gone') return
    entry.state = 'waiting'
    entry.lockToken = undefined
    this.#due.set(entry, Math.max(dueAt, entry.expiresAt))
    for (const listener of this.#listeners) listener(entry.deviceId)
  }

  #keyOf(kind: 'entry' | 'body', { deviceId, sequenceNumber }: Entry): string {
    return `${this.#prefix}${kind}/${deviceId}/${keyOfNumber(sequenceNumber)}`
  }

  #removalOf(entry: Entry): readonly RecordChange[] {
    return [
      { key: this.#keyOf('entry', entry), value: undefined },
      { key: this.#keyOf('body', entry), value: undefined },
    ]
  }

  /** What nobody waits for, and must have ended before this closes. */
  #follow(work: Promise<unknown>): void {
    const { log, hubUid } = this.#options
    const followed: Promise<unknown> = work
      .catch((error: unknown) =>
        log.error({ err: error, hub: hubUid }, 'What became of a message to a device could not be stored.'),
      )
      .finally(() => this.#pending.delete(followed))
    this.#pending.add(followed)
  }

  async settle(): Promise<void> {
    while (this.#pending.size > 0 || !this.#writer.isIdle) {
      await Promise.allSettled(this.#pending)
      await this.#writer.settle()
    }
  }

  async close(): Promise<void> {
    this.#due.close()
    this.feedback.close()
    this.fileNotifications.close()
    await this.settle()
  }
}

const storedOf = (entry: Entry): StoredEntry => {
  const { enqueuedAt, expiresAt, ack, messageId, generationId, deliveryCount } = entry
  return { enqueuedAt, expiresAt, ack, messageId, generationId, deliveryCount }
}
