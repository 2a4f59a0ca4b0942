import type { MessageProperties } from '../hubmessage/message.ts'
import { decodePropertyBag, encodePropertyBag } from '../hubmessage/property-bag.ts'
import type { IdentityName } from '../registry/registry.ts'

/*
 * The topics of an IoT hub over MQTT: each device has its own, and those that begin with `$iothub/` are the same for all.
 *
 * Source: learn.microsoft.com/azure/iot/iot-mqtt-connect-to-iot-hub
 */

/** What a device means by a topic that it publishes to. */
export type DeviceTopic =
  | { readonly kind: 'telemetry'; readonly bag: MessageProperties }
  | { readonly kind: 'twin'; readonly requestId: string }
  | { readonly kind: 'reported'; readonly requestId: string }
  | { readonly kind: 'methodAnswer'; readonly requestId: string; readonly status: number }

/** Undefined where that device may not publish to it. */
export function decodeDeviceTopic(name: IdentityName, topicName: string): DeviceTopic | undefined {
  if (!topicName.startsWith('$')) {
    const own = `${rootOf(name)}/messages/events`
    if (!topicName.startsWith(own)) return undefined
    const rest = topicName.slice(own.length)
    if (rest !== '' && !rest.startsWith('/')) return undefined
    const bag = decodePropertyBag(rest.slice(1))
    return bag && { kind: 'telemetry', bag }
  }
  const query = topicName.indexOf('/?')
  const requestId = query < 0 ? undefined : requestIdOf(topicName.slice(query + 2))
  if (requestId === undefined) return undefined
  const path = topicName.slice(0, query)
  if (path === '$iothub/twin/GET') return { kind: 'twin', requestId }
  if (path === '$iothub/twin/PATCH/properties/reported') return { kind: 'reported', requestId }
  const status = /^\$iothub\/methods\/res\/(-?\d{1,9})$/.exec(path)?.[1]
  return status === undefined ? undefined : { kind: 'methodAnswer', requestId, status: Number(status) }
}

const requestIdMost = 256

function requestIdOf(query: string): string | undefined {
  const found = query.split('&').find((part) => part.startsWith('$rid='))
  const requestId = found?.slice('$rid='.length)
  return requestId === undefined || requestId.length > requestIdMost ? undefined : requestId
}

export const methodsFilter = '$iothub/methods/POST/#'
export const twinAnswersFilter = '$iothub/twin/res/#'
export const desiredFilter = '$iothub/twin/PATCH/properties/desired/#'

/** What a device may subscribe to. */
export function mayListen(name: IdentityName, filter: string): boolean {
  if (filter === methodsFilter || filter === twinAnswersFilter || filter === desiredFilter) return true
  return filter === (name.moduleId === undefined ? deviceboundFilter(name) : `${rootOf(name)}/inputs/#`)
}

/** Where messages of the service side come; for devices alone. */
export const deviceboundFilter = (name: IdentityName): string => `${rootOf(name)}/messages/devicebound/#`

export const deviceboundTopic = (deviceId: string, bag: MessageProperties): string =>
  `devices/${deviceId}/messages/devicebound/${encodePropertyBag(bag)}`

export const twinAnswerTopic = (status: number, requestId: string, version?: number): string =>
  `$iothub/twin/res/${status}/?$rid=${requestId}${version === undefined ? '' : `&$version=${version}`}`

export const desiredTopic = (version: number): string =>
  `$iothub/twin/PATCH/properties/desired/?$version=${version}`

export const methodTopic = (method: string, requestId: string): string =>
  `$iothub/methods/POST/${method}/?$rid=${requestId}`

const rootOf = ({ deviceId, moduleId }: IdentityName): string =>
  moduleId === undefined ? `devices/${deviceId}` : `devices/${deviceId}/modules/${moduleId}`
