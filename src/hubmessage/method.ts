/*
 * Direct methods, whoever calls them and however the device is connected.
 *
 * Source: learn.microsoft.com/azure/iot-hub/iot-hub-devguide-direct-methods
 */

/** What is called on a device. */
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
