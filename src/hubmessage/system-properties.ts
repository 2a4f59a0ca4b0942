import { encodeMoment } from '../base/moment.ts'
import type { HubMessage } from './message.ts'

/*
 * What a message and its hub say of it, in the spelling of each kind of endpoint.
 *
 * Source: learn.microsoft.com/azure/iot-hub/iot-hub-devguide-messages-construct
 */

/** What routing queries call it, in lower case, with the names that Event Hubs has for the same. */
const queried: Readonly<Record<string, (message: HubMessage) => string | undefined>> = {
  contenttype: ({ system }) => system.contentType,
  'content-type': ({ system }) => system.contentType,
  contentencoding: ({ system }) => system.contentEncoding,
  'content-encoding': ({ system }) => system.contentEncoding,
  messageid: ({ system }) => system.messageId,
  'message-id': ({ system }) => system.messageId,
  correlationid: ({ system }) => system.correlationId,
  'correlation-id': ({ system }) => system.correlationId,
  userid: ({ system }) => system.userId,
  'user-id': ({ system }) => system.userId,
  to: ({ system }) => system.to,
  connectiondeviceid: ({ deviceId }) => deviceId,
  'iothub-connection-device-id': ({ deviceId }) => deviceId,
  connectionmoduleid: ({ moduleId }) => moduleId,
  'iothub-connection-module-id': ({ moduleId }) => moduleId,
  connectiondevicegenerationid: ({ generationId }) => generationId || undefined,
  'iothub-connection-auth-generation-id': ({ generationId }) => generationId || undefined,
  connectionauthmethod: ({ authMethod }) => authMethod || undefined,
  'iothub-connection-auth-method': ({ authMethod }) => authMethod || undefined,
  enqueuedtime: ({ enqueuedAt }) => encodeMoment(enqueuedAt),
  'iothub-enqueuedtime': ({ enqueuedAt }) => encodeMoment(enqueuedAt),
  messagesource: ({ source }) => source,
  'iothub-message-source': ({ source }) => source,
  interfaceid: ({ system }) => system.interfaceId,
  'iothub-interface-id': ({ system }) => system.interfaceId,
  'dt-subject': ({ system }) => system.component,
}

/** @param name in any letter case, without a dollar sign */
export function queriedProperty(message: HubMessage, name: string): string | undefined {
  const lower = name.toLowerCase()
  return Object.hasOwn(queried, lower) ? queried[lower]?.(message) : undefined
}

/** What the hub adds to a message on its way to Event Hubs or Service Bus, but for when it came. */
export function hubAnnotations(message: HubMessage): Record<string, string> {
  const { deviceId, moduleId, generationId, authMethod, source, system } = message
  return {
    'iothub-connection-device-id': deviceId,
    ...(moduleId !== undefined && { 'iothub-connection-module-id': moduleId }),
    ...(authMethod !== '' && { 'iothub-connection-auth-method': authMethod }),
    ...(generationId !== '' && { 'iothub-connection-auth-generation-id': generationId }),
    'iothub-message-source': source,
    ...(system.interfaceId !== undefined && { 'iothub-interface-id': system.interfaceId }),
    ...(system.component !== undefined && { 'dt-subject': system.component }),
  }
}

/** `SystemProperties` of a message in a blob. */
export function storedSystemProperties(message: HubMessage): Record<string, string> {
  const { deviceId, moduleId, generationId, authMethod, source, system, enqueuedAt } = message
  const { messageId, correlationId, userId, contentType, contentEncoding, component } = system
  return {
    ...(messageId !== undefined && { messageId }),
    ...(correlationId !== undefined && { correlationId }),
    ...(userId !== undefined && { userId }),
    connectionDeviceId: deviceId,
    ...(moduleId !== undefined && { connectionModuleId: moduleId }),
    ...(authMethod !== '' && { connectionAuthMethod: authMethod }),
    ...(generationId !== '' && { connectionDeviceGenerationId: generationId }),
    ...(contentType !== undefined && { contentType }),
    ...(contentEncoding !== undefined && { contentEncoding }),
    ...(component !== undefined && { 'dt-subject': component }),
    messageSource: source,
    enqueuedTime: encodeMoment(enqueuedAt),
  }
}
