import type { Clock, EpochMs, Timer } from '../base/clock.ts'
import { type InTurn, inTurn } from '../base/in-turn.ts'
import type { Log } from '../base/log.ts'
import type { IotHub } from '../catalog/iot-hub.ts'
import type { MethodAnswer, MethodCall } from '../hubmessage/method.ts'
import { encodeTwin, type Presence } from '../registry/encode.ts'
import { HubError } from '../registry/errors.ts'
import type { StoredIdentity } from '../registry/identity.ts'
import type { IdentityName, Registry } from '../registry/registry.ts'
import type { RecordChange, Records } from '../store/store.ts'
import type { WireObject } from '../wire/shape.ts'
import {
  compileJobCondition,
  encodeDeviceJob,
  encodeJob,
  type JobRequest,
  type JobType,
  type StoredDeviceJob,
  type StoredJob,
} from './scheduled-job.ts'

export interface ScheduledJobsOptions {
  /** As it is now. */
  readonly hub: () => IotHub
  readonly registry: Registry
  readonly records: Records
  readonly presenceOf: (identity: StoredIdentity) => Presence
  /** Rejects with a `HubError` where no answer comes. */
  readonly invoke: (name: IdentityName, call: MethodCall) => Promise<MethodAnswer>
  readonly clock: Clock
  readonly log: Log
}

/**
 * Jobs of one hub that run at a time, by its size.
 *
 * Source: learn.microsoft.com/azure/iot-hub/iot-hub-devguide-quotas-throttling
 */
const runningMost: Readonly<Record<string, number>> = { S2: 5, B2: 5, S3: 10, B3: 10 }
/** Jobs of one hub that have not ended. */
const openMost = 1_000
/** Jobs of one hub, with those that have ended. */
const keptMost = 10_000
/** Devices of one job that it is being done on. */
const atOnce = 100
const selectedAtOnce = 500
const readAtOnce = 200
const retentionMs = 30 * 24 * 3_600_000
const sweepMs = 6 * 3_600_000
const retryMs = 10_000
const reconnectMs = 30_000

/** A job that has not ended. */
interface OpenJob {
  job: StoredJob
  readonly stop: AbortController
  running: Promise<void> | undefined
  /** Devices that it is just being done on. */
  readonly active: Set<string>
  timer: Timer | undefined
  /** Under way when the process before this one ended: devices need a while to connect again. */
  readonly isResumed: boolean
}

/** What `stop` says: the job is to end so, or goes on when the server starts again. */
type StopReason = 'cancelled' | 'late' | 'closing'

export interface JobPage {
  readonly results: readonly WireObject[]
  readonly continuation: string | undefined
}

/**
 * The scheduled jobs of one hub. A job first writes down which devices it is about, and then what became of each: both by
 * pages, so that memory does not grow with the devices and a restart goes on where it was. What was being done on a
 * device when the process ended is done again.
 */
export class ScheduledJobs {
  readonly #options: ScheduledJobsOptions
  readonly #prefix: string
  readonly #turns: InTurn = inTurn()
  readonly #open = new Map<string, OpenJob>()
  #kept = 0
  #isClosed = false
  #due: Timer | undefined
  #sweeping: Promise<void> = Promise.resolve()
  #sweep: Timer | undefined

  private constructor(options: ScheduledJobsOptions) {
    this.#options = options
    this.#prefix = `hub/${options.hub().uid}/`
  }

  static async open(options: ScheduledJobsOptions): Promise<ScheduledJobs> {
    const jobs = new ScheduledJobs(options)
    for await (const job of jobs.#walk()) {
      jobs.#kept++
      if (job.endedAt === undefined) jobs.#open.set(job.id, openJob(job, job.status === 'running'))
    }
    for (const open of jobs.#open.values()) if (open.job.status === 'running') jobs.#run(open)
    jobs.#pump()
    jobs.#sweepSoon()
    return jobs
  }

  async *#walk(after?: string): AsyncGenerator<StoredJob> {
    let last = after === undefined ? undefined : this.#keyOf(after)
    for (;;) {
      const some = await this.#options.records.page(`${this.#prefix}job/`, last, readAtOnce)
      for (const { value } of some) yield value as StoredJob
      last = some.at(-1)?.key
      if (some.length < readAtOnce) return
    }
  }

  #keyOf = (id: string) => `${this.#prefix}job/${id}`
  #deviceKeyOf = (id: string, deviceId: string) => `${this.#prefix}jobdevice/${id}/${deviceId}`

  // ---------------------------------------------------------------- what clients ask

  async schedule(id: string, request: JobRequest): Promise<WireObject> {
    return this.#turns([id], async () => {
      const { records, clock } = this.#options
      if (this.#open.has(id) || (await records.get(this.#keyOf(id))))
        throw new HubError('JobAlreadyExists', `There is a job '${id}' already.`)
      if (this.#open.size >= openMost)
        throw new HubError('JobQuotaExceeded', `A hub has at most ${openMost} jobs that have not ended.`)
      if (this.#kept >= keptMost)
        throw new HubError('JobQuotaExceeded', `A hub keeps at most ${keptMost} jobs, each for 30 days.`)
      const now = clock.now()
      const job: StoredJob = {
        id,
        work: request.work,
        queryCondition: request.queryCondition,
        createdAt: now,
        startAt: request.startAt ?? now,
        maxSeconds: request.maxSeconds,
        status: 'scheduled',
        isSelected: false,
        ...{ devices: 0, succeeded: 0, failed: 0 },
      }
      await records.put(this.#keyOf(id), job)
      this.#kept++
      const open = openJob(job)
      this.#open.set(id, open)
      this.#pump()
      return this.#shown(open.job)
    })
  }

  /** Throws where there is none. */
  async get(id: string): Promise<WireObject> {
    return this.#shown(await this.#stored(id))
  }

  async #stored(id: string): Promise<StoredJob> {
    const found = this.#open.get(id)?.job ?? (await this.#options.records.get(this.#keyOf(id)))?.value
    if (found) return found as StoredJob
    throw new HubError('JobNotFound', `There is no job '${id}'.`)
  }

  #shown(job: StoredJob): WireObject {
    const open = this.#open.get(job.id)
    const isDue = job.startAt <= this.#options.clock.now()
    return encodeJob(job, open?.active.size ?? 0, job.status === 'scheduled' && isDue)
  }

  async cancel(id: string): Promise<WireObject> {
    const open = this.#open.get(id)
    if (!open) {
      const { status } = await this.#stored(id)
      throw new HubError('InvalidOperation', `The job '${id}' has ended: it is ${status}.`)
    }
    open.stop.abort('cancelled' satisfies StopReason)
    if (open.running) await open.running
    else await this.#end(open, 'cancelled')
    return this.get(id)
  }

  async page(
    wanted: { readonly type: JobType | undefined; readonly status: string | undefined },
    size: number,
    after: string | undefined,
  ): Promise<JobPage> {
    const results: WireObject[] = []
    let last: string | undefined
    for await (const stored of this.#walk(after)) {
      const job = this.#open.get(stored.id)?.job ?? stored
      const shown = this.#shown(job)
      if (wanted.type !== undefined && job.work.type !== wanted.type) continue
      if (wanted.status !== undefined && shown.status !== wanted.status) continue
      if (results.length === size) return { results, continuation: last }
      results.push(shown)
      last = job.id
    }
    return { results, continuation: undefined }
  }

  /** What became of jobs on each device, behind that place; each with its own. */
  async *devices(after?: string): AsyncGenerator<{ readonly place: string; readonly document: WireObject }> {
    const { records } = this.#options
    const prefix = `${this.#prefix}jobdevice/`
    let last = after === undefined ? undefined : prefix + after
    let job: StoredJob | undefined
    for (;;) {
      const some = await records.page(prefix, last, readAtOnce)
      for (const { key, value } of some) {
        const device = value as StoredDeviceJob
        const open = this.#open.get(device.jobId)
        if (open) job = open.job
        else if (job?.id !== device.jobId || job.endedAt === undefined)
          job = (await records.get(this.#keyOf(device.jobId)))?.value as StoredJob | undefined
        if (!job) continue
        const isRunning = open?.active.has(device.deviceId) ?? false
        yield { place: key.slice(prefix.length), document: encodeDeviceJob(device, job, isRunning) }
      }
      last = some.at(-1)?.key
      if (some.length < readAtOnce) return
    }
  }

  // ---------------------------------------------------------------- when jobs run

  /** Starts what is due, the oldest first, and waits for what is next. */
  #pump(): void {
    if (this.#isClosed) return
    const { clock, hub } = this.#options
    this.#due?.cancel()
    const all = [...this.#open.values()]
    const waiting = all
      .filter(({ job, running, stop }) => job.status === 'scheduled' && !running && !stop.signal.aborted)
      .toSorted((a, b) => a.job.startAt - b.job.startAt || a.job.createdAt - b.job.createdAt)
    let free =
      (runningMost[hub().sku] ?? 1) -
      all.filter(({ running, timer }) => running !== undefined || timer !== undefined).length
    const now = clock.now()
    for (const open of waiting) {
      if (open.job.startAt > now) {
        this.#due = clock.at(open.job.startAt, () => this.#pump())
        return
      }
      if (free-- <= 0) return
      this.#run(open)
    }
  }

  #run(open: OpenJob): void {
    const { log, clock, hub } = this.#options
    open.timer?.cancel()
    open.timer = undefined
    open.running = this.#carryOut(open)
      .catch((error: unknown) => {
        log.error({ err: error, hub: hub().id, job: open.job.id }, 'A job is held up; it is tried again.')
        if (!this.#isClosed) open.timer = clock.at(clock.now() + retryMs, () => this.#run(open))
      })
      .finally(() => {
        open.running = undefined
        this.#pump()
      })
  }

  async #carryOut(open: OpenJob): Promise<void> {
    const { clock } = this.#options
    const { stop } = open
    if (open.job.status === 'scheduled')
      await this.#write(open, { status: 'running', startedAt: clock.now() })
    const endsAt = (open.job.startedAt as EpochMs) + open.job.maxSeconds * 1_000
    const deadline = clock.at(endsAt, () => stop.abort('late' satisfies StopReason))
    try {
      if (!open.job.isSelected) await this.#select(open)
      if (!stop.signal.aborted) await this.#actOnAll(open)
      const reason = stop.signal.aborted ? (stop.signal.reason as StopReason) : undefined
      if (reason !== 'closing') await this.#end(open, reason)
    } finally {
      deadline.cancel()
    }
  }

  async #end(open: OpenJob, reason: Exclude<StopReason, 'closing'> | undefined): Promise<void> {
    const endedAt = this.#options.clock.now()
    const { maxSeconds } = open.job
    if (reason === 'late')
      await this.#write(open, {
        status: 'failed',
        endedAt,
        failureReason: `The job did not end within its maxExecutionTimeInSeconds, ${maxSeconds}.`,
      })
    else await this.#write(open, { status: reason ?? 'completed', endedAt })
    open.timer?.cancel()
    this.#open.delete(open.job.id)
  }

  /** The job as changed, with other records in the same write. */
  async #write(
    open: OpenJob,
    change: Partial<StoredJob>,
    others: readonly RecordChange[] = [],
  ): Promise<void> {
    const before = open.job
    open.job = { ...before, ...change }
    try {
      await this.#options.records.write([...others, { key: this.#keyOf(before.id), value: open.job }])
    } catch (error) {
      open.job = before
      throw error
    }
  }

  /** Notes which devices match now; those that come later are not of this job. */
  async #select(open: OpenJob): Promise<void> {
    const { registry, presenceOf, clock } = this.#options
    const matches = compileJobCondition(open.job.queryCondition)
    for (;;) {
      if (open.stop.signal.aborted) return
      const { id, selectedTo, devices } = open.job
      const after = selectedTo === undefined ? undefined : { deviceId: selectedTo }
      const some = await registry.page('device', after, selectedAtOnce)
      const now = clock.now()
      const found = some
        .filter((identity) => matches(encodeTwin(identity, presenceOf(identity))))
        .map(({ deviceId }): RecordChange => {
          const value: StoredDeviceJob = {
            deviceId,
            jobId: id,
            status: 'pending',
            createdAt: now,
            changedAt: now,
          }
          return { key: this.#deviceKeyOf(id, deviceId), value }
        })
      const last = some.at(-1)?.deviceId
      await this.#write(
        open,
        {
          devices: devices + found.length,
          isSelected: some.length < selectedAtOnce,
          ...(last !== undefined && { selectedTo: last }),
        },
        found,
      )
      if (open.job.isSelected) return
    }
  }

  async *#pending({ job, stop }: OpenJob): AsyncGenerator<StoredDeviceJob> {
    const prefix = this.#deviceKeyOf(job.id, '')
    let last: string | undefined
    while (!stop.signal.aborted) {
      const some = await this.#options.records.page(prefix, last, readAtOnce)
      for (const { value } of some) {
        const device = value as StoredDeviceJob
        if (device.status === 'pending') yield device
      }
      last = some.at(-1)?.key
      if (some.length < readAtOnce) return
    }
  }

  async #actOnAll(open: OpenJob): Promise<void> {
    const { signal } = open.stop
    const stopped = new Promise<void>((resolve) => {
      if (signal.aborted) resolve()
      else signal.addEventListener('abort', () => resolve(), { once: true })
    })
    const pending = this.#pending(open)
    const results = new Results((changes) => this.#note(open, changes))
    const work = async () => {
      for await (const device of pending) {
        if (signal.aborted) return
        open.active.add(device.deviceId)
        const outcome = await Promise.race([this.#act(open, device), stopped])
        // What a device answers to a job that has ended is nobody's.
        if (!outcome) return
        await results.add(outcome)
        open.active.delete(device.deviceId)
      }
    }
    try {
      // Whatever becomes of one, none works on when this is left.
      const ended = await Promise.allSettled(Array.from({ length: atOnce }, work))
      const failed = ended.find(({ status }) => status === 'rejected')
      if (failed?.status === 'rejected') throw failed.reason
    } finally {
      open.active.clear()
    }
  }

  async #note(open: OpenJob, outcomes: readonly StoredDeviceJob[]): Promise<void> {
    const succeeded = outcomes.filter(({ status }) => status === 'completed').length
    await this.#write(
      open,
      {
        succeeded: open.job.succeeded + succeeded,
        failed: open.job.failed + outcomes.length - succeeded,
      },
      outcomes.map((value) => ({ key: this.#deviceKeyOf(value.jobId, value.deviceId), value })),
    )
  }

  async #act({ job: { work }, isResumed }: OpenJob, device: StoredDeviceJob): Promise<StoredDeviceJob> {
    const { registry, invoke, clock } = this.#options
    const { deviceId } = device
    const startedAt = clock.now()
    try {
      const answer =
        work.type === 'scheduleDeviceMethod'
          ? await invoke({ deviceId }, isResumed ? patient(work.call) : work.call)
          : void (await registry.changeTwin({ deviceId }, work.change, 'patch', undefined))
      return { ...device, status: 'completed', startedAt, changedAt: clock.now(), ...(answer && { answer }) }
    } catch (error) {
      if (!(error instanceof HubError)) throw error
      const { code, message } = error
      return {
        ...device,
        ...{ status: 'failed', startedAt, changedAt: clock.now() },
        error: { code, description: message },
      }
    }
  }

  // ---------------------------------------------------------------- how long they are kept

  #sweepSoon(): void {
    if (this.#isClosed) return
    const { clock, log, hub } = this.#options
    this.#sweeping = this.#sweepOld()
      .catch((error: unknown) => log.error({ err: error, hub: hub().id }, 'Old jobs could not be removed.'))
      .then(() => {
        if (!this.#isClosed) this.#sweep = clock.at(clock.now() + sweepMs, () => this.#sweepSoon())
      })
  }

  async #sweepOld(): Promise<void> {
    const { records, clock } = this.#options
    const limit = clock.now() - retentionMs
    for await (const { id, endedAt } of this.#walk()) {
      if (endedAt === undefined || endedAt > limit) continue
      // The job last: a crash in between leaves something that says what is left to do.
      for (;;) {
        if (this.#isClosed) return
        const some = await records.page(this.#deviceKeyOf(id, ''), undefined, selectedAtOnce)
        if (some.length === 0) break
        await records.write(some.map(({ key }) => ({ key, value: undefined })))
      }
      await records.delete(this.#keyOf(id))
      this.#kept--
    }
  }

  /** What runs is cut, and goes on at the next start. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#due?.cancel()
    this.#sweep?.cancel()
    const all = [...this.#open.values()]
    for (const { stop, timer } of all) {
      timer?.cancel()
      stop.abort('closing' satisfies StopReason)
    }
    for (const { running } of all) await running
    await this.#sweeping
  }
}

const openJob = (job: StoredJob, isResumed = false): OpenJob => ({
  ...{ job, isResumed },
  stop: new AbortController(),
  running: undefined,
  active: new Set(),
  timer: undefined,
})

const patient = (call: MethodCall): MethodCall => ({
  ...call,
  connectMs: Math.max(call.connectMs, reconnectMs),
})

/** Outcomes that come while others are being written are written together, one write at a time. */
class Results {
  readonly #write: (outcomes: readonly StoredDeviceJob[]) => Promise<void>
  #waiting: StoredDeviceJob[] = []
  #next: Promise<void> | undefined
  #current: Promise<void> = Promise.resolve()

  constructor(write: (outcomes: readonly StoredDeviceJob[]) => Promise<void>) {
    this.#write = write
  }

  /** Resolves when it is durable. */
  add(outcome: StoredDeviceJob): Promise<void> {
    this.#waiting.push(outcome)
    this.#next ??= this.#current.then(() => {
      const outcomes = this.#waiting
      this.#waiting = []
      this.#next = undefined
      this.#current = this.#write(outcomes)
      return this.#current
    })
    return this.#next
  }
}
