import type { Clock, Timer } from '../base/clock.ts'
import type { MethodAnswer } from '../hubmessage/method.ts'
import { decodeJson } from '../hubmessage/telemetry-event.ts'
import { HubError, type HubErrorName } from '../registry/errors.ts'

/** Source: learn.microsoft.com/azure/iot-hub/iot-hub-devguide-direct-methods */
export const methodPayloadBytes = 128 * 1024
/** Calls of one hub that are under way. */
export const methodsMost = 10_000

interface Pending {
  readonly answer: (answer: MethodAnswer) => void
  readonly fail: (error: HubError) => void
  readonly timer: Timer
}

/** Calls that devices have been told of and have not answered. */
export class PendingMethods {
  readonly #clock: Clock
  /** Of each device by request id. */
  readonly #pending = new Map<string, Map<string, Pending>>()
  #size = 0
  #count = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get size(): number {
    return this.#size
  }

  /** `tell` sends the call with that request id; false where the device does not listen any more. */
  call(device: string, responseMs: number, tell: (requestId: string) => boolean): Promise<MethodAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<MethodAnswer>()
    const requestId = (++this.#count).toString(16)
    const late = () => this.#take(device, requestId)?.fail(tooLate())
    const timer = this.#clock.at(this.#clock.now() + responseMs, late)
    const calls = this.#pending.get(device) ?? new Map<string, Pending>()
    this.#pending.set(device, calls.set(requestId, { answer: resolve, fail: reject, timer }))
    this.#size++
    if (!tell(requestId)) this.#take(device, requestId)?.fail(notOnline())
    return promise
  }

  /** An answer to a call that is not there, or not this device's, is passed over: it came too late. */
  answered(device: string, requestId: string, status: number, payload: Buffer): void {
    const pending = this.#take(device, requestId)
    if (!pending) return
    if (payload.length > methodPayloadBytes) {
      const text = `The device answered with ${payload.length} bytes; at most ${methodPayloadBytes} are taken.`
      pending.fail(new HubError('BadDeviceResponse', text))
      return
    }
    const parsed = payload.length === 0 ? { value: null } : decodeJson(payload)
    if (parsed) pending.answer({ status, payload: parsed.value })
    else pending.fail(new HubError('BadDeviceResponse', 'The device answered with what is no JSON.'))
  }

  /** The device's connection is gone, and with it what it would have answered. */
  disconnected(device: string): void {
    this.#failAll(device, 'DeviceConnectionClosedRemotely', 'The connection of the device was closed.')
  }

  close(): void {
    for (const device of [...this.#pending.keys()])
      this.#failAll(device, 'ServiceUnavailable', 'The server is stopping.')
  }

  #failAll(device: string, name: HubErrorName, text: string): void {
    for (const requestId of [...(this.#pending.get(device)?.keys() ?? [])])
      this.#take(device, requestId)?.fail(new HubError(name, text))
  }

  #take(device: string, requestId: string): Pending | undefined {
    const calls = this.#pending.get(device)
    const pending = calls?.get(requestId)
    if (!calls || !pending) return undefined
    pending.timer.cancel()
    calls.delete(requestId)
    if (calls.size === 0) this.#pending.delete(device)
    this.#size--
    return pending
  }
}

const tooLate = (): HubError =>
  new HubError('GatewayTimeout', 'Timed out waiting for the response from device.')

export const notOnline = (): HubError =>
  new HubError('DeviceNotOnline', 'Timed out waiting for device to connect.')
