import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Sealer } from '../base/sealer.ts'
import type { IotHub } from '../catalog/iot-hub.ts'
import type { MethodAnswer, MethodCall } from '../hubmessage/method.ts'
import type { BulkFailure } from '../registry/bulk.ts'
import type { Presence } from '../registry/encode.ts'
import { invalid } from '../registry/errors.ts'
import type { StoredIdentity } from '../registry/identity.ts'
import type { IdentityName, Registry } from '../registry/registry.ts'
import type { Records } from '../store/store.ts'
import type { WireObject } from '../wire/shape.ts'
import type { Containers } from './container.ts'
import { checkJobId, decodeJob, decodeJobType } from './scheduled-job.ts'
import { type JobPage, ScheduledJobs } from './scheduled-jobs.ts'
import { decodeTransfer } from './transfer.ts'
import { Transfers } from './transfers.ts'

/*
 * The jobs of one IoT hub. In come bodies of requests, out go bodies of answers; jobs change twins, call methods, and write
 * and read blobs of whoever asked for them. It promises that a job is durable when it is answered, that a restart goes on
 * with it, and that no more of it is in memory than it is just being done on.
 *
 * Source: learn.microsoft.com/azure/iot-hub/iot-hub-devguide-jobs and iot-hub-bulk-identity-mgmt
 */

export interface HubJobsOptions {
  /** As it is now. */
  readonly hub: () => IotHub
  readonly registry: Registry
  readonly records: Records
  readonly sealer: Sealer
  readonly containers: Containers
  readonly presenceOf: (identity: StoredIdentity) => Presence
  readonly decodeMethodCall: (body: unknown) => MethodCall
  /** Rejects with a `HubError` where no answer comes. */
  readonly invoke: (name: IdentityName, call: MethodCall) => Promise<MethodAnswer>
  /** Does what one line of an import says; resolves to what is wrong with it. */
  readonly importItem: (registry: Registry, item: unknown) => Promise<BulkFailure | undefined>
  readonly clock: Clock
  readonly log: Log
}

const statuses = ['unknown', 'enqueued', 'running', 'completed', 'failed', 'cancelled', 'scheduled', 'queued']

export class HubJobs {
  readonly #scheduled: ScheduledJobs
  readonly #transfers: Transfers
  readonly #decodeMethodCall: HubJobsOptions['decodeMethodCall']

  static async open(options: HubJobsOptions): Promise<HubJobs> {
    const hubUid = options.hub().uid
    return new HubJobs(
      options,
      await ScheduledJobs.open(options),
      await Transfers.open({ ...options, hubUid }),
    )
  }

  private constructor({ decodeMethodCall }: HubJobsOptions, scheduled: ScheduledJobs, transfers: Transfers) {
    this.#scheduled = scheduled
    this.#transfers = transfers
    this.#decodeMethodCall = decodeMethodCall
  }

  schedule(id: string, body: unknown): Promise<WireObject> {
    return this.#scheduled.schedule(checkJobId(id), decodeJob(body, id, this.#decodeMethodCall))
  }

  scheduled(id: string): Promise<WireObject> {
    return this.#scheduled.get(checkJobId(id))
  }

  cancelScheduled(id: string): Promise<WireObject> {
    return this.#scheduled.cancel(checkJobId(id))
  }

  /** Jobs with that type and status, behind that place. */
  page(
    { type, status }: { readonly type: string | null; readonly status: string | null },
    size: number,
    after: string | undefined,
  ): Promise<JobPage> {
    const given = status === null || status === '' ? undefined : status.toLowerCase()
    // A word of clients that are older than `completed`.
    const wanted = given === 'finished' ? 'completed' : given
    if (wanted !== undefined && !statuses.includes(wanted))
      throw invalid('jobStatus', `one of ${statuses.join(', ')}`, status)
    const wantedType = type === null || type === '' ? undefined : decodeJobType(type)
    return this.#scheduled.page({ type: wantedType, status: wanted }, size, after)
  }

  /** What became of scheduled jobs on each device. */
  devices(after?: string): AsyncIterable<{ readonly place: string; readonly document: WireObject }> {
    return this.#scheduled.devices(after)
  }

  createTransfer(body: unknown): Promise<WireObject> {
    return this.#transfers.create(decodeTransfer(body))
  }

  transfer(id: string): WireObject {
    return this.#transfers.get(id)
  }

  transfers(): readonly WireObject[] {
    return this.#transfers.list()
  }

  cancelTransfer(id: string): Promise<void> {
    return this.#transfers.cancel(id)
  }

  /** What runs is cut, and goes on at the next start. */
  async close(): Promise<void> {
    await Promise.all([this.#scheduled.close(), this.#transfers.close()])
  }
}
