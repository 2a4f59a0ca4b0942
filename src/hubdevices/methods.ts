import type { Clock, Timer } from '../base/clock.ts'
import { decodeJson } from '../hubmessage/telemetry-event.ts'
import { HubError } from '../registry/errors.ts'

/** What a service client calls on a device. */
export interface MethodCall {
  readonly method: string
  /** JSON. */
  readonly payload: unknown
  readonly responseMs: number
  /** How long it is waited for the device to connect, and to listen. */
  readonly connectMs: number
}

export interface MethodAnswer {
  /** The device's own. */
  readonly status: number
  readonly payload: unknown
}

/** Source: learn.microsoft.com/azure/iot-hub/iot-hub-devguide-direct-methods */
export const methodPayloadBytes = 128 * 1024
/** Calls of one hub that are under way. */
export const methodsMost = 10_000

interface Pending {
  readonly device: string
  readonly answer: (answer: MethodAnswer) => void
  readonly fail: (error: HubError) => void
  readonly timer: Timer
}

/** Calls that devices have been told of and have not answered. */
export class PendingMethods {
  readonly #clock: Clock
  readonly #pending = new Map<string, Pending>()
  #count = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get size(): number {
    return this.#pending.size
  }

  /** `tell` sends the call with that request id; false where the device does not listen any more. */
  call(device: string, responseMs: number, tell: (requestId: string) => boolean): Promise<MethodAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<MethodAnswer>()
    const requestId = (++this.#count).toString(16)
    const late = () => {
      this.#pending.delete(requestId)
      reject(new HubError('GatewayTimeout', 'Timed out waiting for the response from device.'))
    }
    const timer = this.#clock.at(this.#clock.now() + responseMs, late)
    this.#pending.set(requestId, { device, answer: resolve, fail: reject, timer })
    if (!tell(requestId)) this.#take(requestId)?.fail(notOnline())
    return promise
  }

  /** An answer to a call that is not there, or not this device's, is passed over: it came too late. */
  answered(device: string, requestId: string, status: number, payload: Buffer): void {
    if (this.#pending.get(requestId)?.device !== device) return
    const pending = this.#take(requestId)
    if (payload.length > methodPayloadBytes) {
      const text = `The device answered with ${payload.length} bytes; at most ${methodPayloadBytes} are taken.`
      pending?.fail(new HubError('BadDeviceResponse', text))
      return
    }
    const parsed = payload.length === 0 ? { value: null } : decodeJson(payload)
    if (parsed) pending?.answer({ status, payload: parsed.value })
    else pending?.fail(new HubError('BadDeviceResponse', 'The device answered with what is no JSON.'))
  }

  /** The device's connection is gone, and with it what it would have answered. */
  disconnected(device: string): void {
    for (const [requestId, pending] of this.#pending)
      if (pending.device === device)
        this.#take(requestId)?.fail(
          new HubError('DeviceConnectionClosedRemotely', 'The connection of the device was closed.'),
        )
  }

  close(): void {
    for (const requestId of [...this.#pending.keys()])
      this.#take(requestId)?.fail(new HubError('ServiceUnavailable', 'The server is stopping.'))
  }

  #take(requestId: string): Pending | undefined {
    const pending = this.#pending.get(requestId)
    pending?.timer.cancel()
    this.#pending.delete(requestId)
    return pending
  }
}

export const notOnline = (): HubError =>
  new HubError('DeviceNotOnline', 'Timed out waiting for device to connect.')
