import type { MethodCall } from '../hubmessage/method.ts'
import { HubError, invalid } from '../registry/errors.ts'
import { isObject } from '../wire/shape.ts'

const payloadBytesMost = 128 * 1024
/** A level of an MQTT topic name, and nothing that the service does not take. */
const names = /^[!'*.^_`|~&\-0-9A-Za-z%]{1,100}$/

/** Source: learn.microsoft.com/azure/iot-hub/iot-hub-devguide-direct-methods, "Method invocation for the back-end" */
export function decodeMethodCall(body: unknown): MethodCall {
  if (!isObject(body)) throw invalid('The body', 'an object', body)
  const { methodName, payload = null, responseTimeoutInSeconds, connectTimeoutInSeconds } = body
  if (typeof methodName !== 'string' || !names.test(methodName))
    throw invalid(
      'methodName',
      "1 to 100 letters, digits and characters of - _ . ~ ! ' * ^ ` | & %",
      methodName,
    )
  const bytes = Buffer.byteLength(JSON.stringify(payload))
  if (bytes > payloadBytesMost)
    throw new HubError(
      'MessageTooLarge',
      `A payload has at most ${payloadBytesMost} bytes: one of ${bytes} came.`,
    )
  return {
    method: methodName,
    payload,
    responseMs: seconds(responseTimeoutInSeconds ?? 30, 'responseTimeoutInSeconds', 5) * 1000,
    connectMs: seconds(connectTimeoutInSeconds ?? 0, 'connectTimeoutInSeconds', 0) * 1000,
  }
}

function seconds(value: unknown, name: string, least: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= 300) return value
  throw invalid(name, `${least} to 300 whole seconds`, value)
}
