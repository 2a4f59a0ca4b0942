import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Origin } from '../auth/origin.ts'
import type { Clock, Timer } from '../base/clock.ts'
import { newGuid } from '../base/ids.ts'
import type { Log } from '../base/log.ts'
import { resourceKey, type StoredCatalog } from '../catalog/stored-catalog.ts'
import type { Verification, Verify } from '../destinations/destination.ts'
import type { PendingVerification, ResourceType, StoredResource } from '../resources/resource-type.ts'
import { holdsFor, type Locks } from './locks.ts'
import type { OperationError, Operations } from './operations.ts'
import { type EndedOperation, operationNameOf, type ResourceEvents } from './resource-events.ts'

/*
 * Asks a destination whether it wants these events, as the long-running part of a write. Until it has agreed, what
 * was in force before stays in force: nothing for a new event subscription, the previous version for a changed one.
 * A refused change is taken back, and the resource says `Failed`; a refused new one is kept as `Failed`, silent.
 *
 * Source: learn.microsoft.com/azure/event-grid/end-point-validation-event-grid-events-schema
 */

/** How long the owner of an endpoint has to follow the validation URL, in policy time. */
const manualActionMs = 10 * 60_000
/** Handshakes under way at the same time; more wait their turn. */
const handshakesTogether = 64
const apiVersion = '2025-02-15'
/** What a write ends with that nobody wants any more. */
const cancellation: OperationError = {
  code: 'OperationCanceled',
  message: 'The deployment that this operation was part of was canceled.',
}

export interface VerificationsOptions {
  readonly catalog: StoredCatalog
  readonly operations: Operations
  readonly resourceEvents: ResourceEvents
  readonly locks: Locks
  readonly verify: Verify
  readonly publicUrl: () => string
  readonly clock: Clock
  readonly log: Log
}

/** The write that waited for a handshake. */
type Ended = NonNullable<StoredResource['untold']>

/** A handshake that is awaited, by the endpoint's answer or by its owner's hand. */
interface Waiting {
  readonly type: ResourceType
  readonly id: string
  readonly parentId: string
  readonly pending: PendingVerification
  readonly abort: AbortController
  deadline: Timer | undefined
}

export class Verifications {
  readonly #options: VerificationsOptions
  /** By validation code. */
  readonly #waiting = new Map<string, Waiting>()
  readonly #tokens = new Map<string, string>()
  readonly #turn: (() => void)[] = []
  readonly #running = new Set<Promise<void>>()
  #handshakes = 0

  constructor(options: VerificationsOptions) {
    this.#options = options
  }

  /**
   * What a resource is to be stored with before its handshake begins.
   *
   * @param created whether the write that waits for it made the resource
   */
  prepare(operationId: string, origin: Origin | undefined, created: boolean): PendingVerification {
    const { clock } = this.#options
    const code = newGuid().toUpperCase()
    const token = randomBytes(32).toString('hex')
    this.#tokens.set(code, token)
    return {
      code,
      tokenHash: hash(token),
      startedAt: clock.now(),
      until: clock.after(manualActionMs),
      operationId,
      origin,
      created,
    }
  }

  /** Begins the handshake of a stored resource; resolves when it has ended and its operation says so. */
  start(type: ResourceType, resource: StoredResource): Promise<void> {
    const waiting = this.#await(type, resource)
    const running = this.#handshake(waiting, resource).finally(() => this.#running.delete(running))
    this.#running.add(running)
    return running
  }

  /**
   * Takes up what the last process left: handshakes under way begin anew, those that wait for manual action wait
   * on, those whose time ran out fail.
   */
  resume(type: ResourceType, { id, parentId }: StoredResource): Promise<void> {
    const { operations, clock, catalog, locks } = this.#options
    return locks.hold(holdsFor(id, parentId), async () => {
      const resource = catalog.find(type.type, id)?.resource
      if (resource?.untold) {
        const { untold, ...told } = resource
        await this.#tell(id, 'Succeeded', untold)
        await catalog.put(told)
      }
      const pending = resource?.verification
      // A request that came before this may have begun another.
      if (!resource || !pending || this.#waiting.has(pending.code)) return
      if (pending.operationId === undefined) {
        this.#awaitManualAction(this.#await(type, resource))
        return
      }
      // The token of the first attempt is known by its hash only, so the endpoint is asked with a new one.
      const again = this.prepare(pending.operationId, pending.origin, pending.created === true)
      const until = clock.now() > pending.until ? again.until : pending.until
      const stored = await catalog.put({ ...resource, verification: { ...again, until } })
      operations.run(pending.operationId)
      void this.start(type, stored.resource)
    })
  }

  /** The resource is being replaced or deleted: its handshake no longer matters, and its operation fails. */
  async supersede(resource: StoredResource): Promise<void> {
    const { verification } = resource
    await this.#tell(resource.id, 'Succeeded', resource.untold)
    if (verification === undefined) return
    this.#forget(verification.code)?.abort.abort()
    await this.#tell(resource.id, 'Failed', verification)
    if (verification.operationId !== undefined)
      await this.#options.operations.fail(verification.operationId, {
        code: 'Conflict',
        message: 'A later request changed or deleted the resource before this operation had ended.',
      })
  }

  /** The write that waits for the endpoint of that resource is given up; what was in force stays in force. */
  async cancel(id: string): Promise<void> {
    const key = resourceKey(id)
    const waiting = [...this.#waiting.values()].find(
      ({ id: each, pending }) => resourceKey(each) === key && pending.operationId !== undefined,
    )
    if (!waiting) return
    await this.#settle(waiting, { kind: 'canceled' })
    waiting.abort.abort()
  }

  /** Someone followed a validation URL. False when it is not, or no longer, one of ours. */
  async confirm(name: string, code: string, token: string): Promise<boolean> {
    const waiting = this.#waiting.get(code.toUpperCase())
    if (waiting === undefined) return false
    const expected = Buffer.from(waiting.pending.tokenHash, 'hex')
    if (!timingSafeEqual(expected, Buffer.from(hash(token), 'hex'))) return false
    if (!resourceKey(waiting.id).endsWith(`/${name.toLowerCase()}`)) return false
    if (this.#options.clock.now() > waiting.pending.until) return false
    return this.#settle(waiting, { kind: 'verified' })
  }

  /** Stops every handshake under way and waits for them; their resources are taken up by the next start. */
  async close(): Promise<void> {
    for (const { abort, deadline } of this.#waiting.values()) {
      deadline?.cancel()
      abort.abort()
    }
    this.#waiting.clear()
    for (const turn of this.#turn.splice(0)) turn()
    await Promise.all(this.#running)
  }

  #await(type: ResourceType, { id, parentId, verification }: StoredResource): Waiting {
    const pending = verification as PendingVerification
    const waiting = { type, id, parentId, pending, abort: new AbortController(), deadline: undefined }
    this.#waiting.set(pending.code, waiting)
    return waiting
  }

  async #handshake(waiting: Waiting, resource: StoredResource): Promise<void> {
    if (this.#handshakes >= handshakesTogether) await new Promise<void>((turn) => this.#turn.push(turn))
    this.#handshakes++
    try {
      if (waiting.abort.signal.aborted) return
      await this.#settle(waiting, await this.#ask(waiting, resource))
    } catch (error) {
      // Stored as it is, the resource is taken up again by the next start.
      this.#options.log.error({ error, id: waiting.id }, 'A handshake could not be brought to its end.')
    } finally {
      this.#handshakes--
      this.#turn.shift()?.()
    }
  }

  #ask({ type, pending, abort }: Waiting, resource: StoredResource): Promise<Verification> {
    const { catalog, verify } = this.#options
    const rules = type.verification as NonNullable<ResourceType['verification']>
    const { settings, deliverySchema, ofNamespaceTopic } = rules.settings(catalog.unseal(resource, resource))
    const context = {
      eventSubscriptionName: resource.name,
      eventSubscriptionId: resource.id,
      topicId: resource.parentId,
      deliverySchema,
      ofNamespaceTopic,
    }
    const validationUrl = this.#validationUrl(resource.name, pending)
    return verify({ settings, context, validationCode: pending.code, validationUrl }, abort.signal)
  }

  #validationUrl(name: string, { code, startedAt }: PendingVerification): string {
    const query = new URLSearchParams({
      id: code,
      t: new Date(startedAt).toISOString(),
      apiVersion,
      token: this.#tokens.get(code) ?? '',
    })
    return `${this.#options.publicUrl()}/eventsubscriptions/${encodeURIComponent(name)}/validate?${query.toString()}`
  }

  /** Stores what came of it, unless a later write made it meaningless. True when it was still awaited. */
  #settle(waiting: Waiting, verification: Verification | { readonly kind: 'canceled' }): Promise<boolean> {
    const { locks, catalog } = this.#options
    return locks.hold(holdsFor(waiting.id, waiting.parentId), async () => {
      const resource = catalog.find(waiting.type.type, waiting.id)?.resource
      const isAwaited =
        resource?.verification?.code === waiting.pending.code && this.#waiting.has(waiting.pending.code)
      if (!isAwaited) return false
      if (verification.kind === 'manual') await this.#storeManual(waiting, resource)
      else if (verification.kind === 'verified') await this.#storeVerified(resource)
      else if (verification.kind === 'canceled') await this.#storeRefused(resource, cancellation)
      else
        await this.#storeRefused(resource, {
          code: verification.code ?? 'Url validation',
          message: verification.message,
        })
      return true
    })
  }

  async #storeVerified(resource: StoredResource): Promise<void> {
    const { operations } = this.#options
    const { verification, ...rest } = resource
    const { properties, sealed } = resource
    await this.#putTelling(
      { ...rest, provisioningState: 'Succeeded', live: { properties, sealed } },
      verification,
    )
    if (verification?.operationId !== undefined) operations.succeed(verification.operationId)
    if (verification) this.#forget(verification.code)
  }

  async #storeManual(waiting: Waiting, resource: StoredResource): Promise<void> {
    const { operations } = this.#options
    const { operationId, origin, created, ...pending } = waiting.pending
    await this.#putTelling(
      { ...resource, provisioningState: 'AwaitingManualAction', verification: pending },
      { operationId, origin, created },
    )
    if (operationId !== undefined) operations.succeed(operationId)
    this.#awaitManualAction(waiting)
  }

  async #storeRefused(resource: StoredResource, error: OperationError): Promise<void> {
    const { catalog, operations } = this.#options
    const { verification, live, ...rest } = resource
    // The operation first: a crash in between then leaves a handshake to take up, not a success that was none.
    await this.#tell(resource.id, error === cancellation ? 'Canceled' : 'Failed', verification)
    if (verification?.operationId !== undefined) await operations.fail(verification.operationId, error)
    const { properties, sealed } = live ?? resource
    await catalog.put({ ...rest, properties, sealed, live, provisioningState: 'Failed' })
    if (verification) this.#forget(verification.code)
  }

  /** What has been stored is told of even if the process is killed in between. */
  async #putTelling(resource: StoredResource, ended: Ended | undefined): Promise<void> {
    const { catalog, resourceEvents } = this.#options
    const untold = ended?.operationId !== undefined && resourceEvents.isHeard(resource.id) && ended
    if (!untold) {
      await catalog.put(resource)
      return
    }
    const { operationId, origin, created } = untold
    await catalog.put({ ...resource, untold: { operationId, origin, created } })
    await this.#tell(resource.id, 'Succeeded', untold)
    await catalog.put(resource)
  }

  /** The write that waited for the handshake has ended, unless it had before, with manual action awaited. */
  async #tell(id: string, status: EndedOperation['status'], ended: Ended | undefined): Promise<void> {
    const { operationId, origin, created } = ended ?? {}
    if (operationId === undefined || !origin) return
    const operationName = operationNameOf(id, 'write')
    await this.#options.resourceEvents.ended({
      ...{ origin, resourceId: id, operationName, status },
      ...{ created: created === true, repeatKey: operationId },
    })
  }

  #awaitManualAction(waiting: Waiting): void {
    const { clock, log } = this.#options
    this.#tokens.delete(waiting.pending.code)
    waiting.deadline = clock.at(waiting.pending.until + 1, () => {
      const message = 'Nobody followed the validation URL in time.'
      this.#settle(waiting, { kind: 'refused', message }).catch((error: unknown) =>
        log.error({ error, id: waiting.id }, 'A validation that ran out of time could not be stored.'),
      )
    })
  }

  #forget(code: string): Waiting | undefined {
    const waiting = this.#waiting.get(code)
    this.#waiting.delete(code)
    this.#tokens.delete(code)
    waiting?.deadline?.cancel()
    return waiting
  }
}

const hash = (token: string) => createHash('sha256').update(token).digest('hex')
