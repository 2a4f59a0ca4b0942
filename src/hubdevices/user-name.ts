import { checkId } from '../registry/identity.ts'
import type { IdentityName } from '../registry/registry.ts'

/*
 * The MQTT user name of a device: `{host}/{device}[/{module}]/?api-version=...`. The host is that of the hub, whatever
 * name the socket was opened to; the ids are those of the client identifier, and stand there as they are.
 *
 * Source: learn.microsoft.com/azure/iot/iot-mqtt-connect-to-iot-hub, "Use the MQTT protocol directly"
 */

export interface DeviceUserName {
  /** In lower case, without its port. */
  readonly host: string
  readonly name: IdentityName
  /** The model that the device says it has. */
  readonly modelId: string | undefined
}

/** `form`: it is no user name of a device; `identifier`: it is not that of this client identifier. */
export function decodeUserName(
  userName: string | undefined,
  clientId: string,
): DeviceUserName | 'form' | 'identifier' {
  const host = hostOfUserName(userName)
  const name = nameOfClientId(clientId)
  if (host === undefined || userName === undefined) return 'form'
  const rest = userName.slice(userName.indexOf('/') + 1)
  if (!name || !rest.startsWith(clientId)) return 'identifier'
  const query = rest.slice(clientId.length)
  if (query !== '' && !/^\/(\?|api-version|$)/.test(query)) return 'identifier'
  const parameters = new URLSearchParams(query.replace(/^\/\??/, ''))
  const modelId = parameters.get('model-id') ?? undefined
  if (modelId !== undefined && modelId.length > modelIdMost) return 'form'
  return { host, name, modelId }
}

/** Source: the Digital Twins Definition Language, "Digital Twin Model Identifier" */
const modelIdMost = 2_048

/** In lower case, without its port; undefined where there is none. */
export function hostOfUserName(userName: string | undefined): string | undefined {
  const slash = userName?.indexOf('/') ?? -1
  return slash > 0 ? hostWithoutPort(userName?.slice(0, slash) as string) : undefined
}

export const hostWithoutPort = (host: string): string => host.replace(/:\d+$/, '').toLowerCase()

/** No client of another kind says this in its user name. */
export const saysApiVersion = (userName: string): boolean => /\/\??api-version=/.test(userName)

/** `{device}` or `{device}/{module}`; ids have no slash. */
export function nameOfClientId(clientId: string): IdentityName | undefined {
  const [deviceId = '', moduleId, ...more] = clientId.split('/')
  if (more.length > 0) return undefined
  try {
    checkId(deviceId, 'deviceId')
    if (moduleId === undefined) return { deviceId }
    return { deviceId, moduleId: checkId(moduleId, 'moduleId') }
  } catch {
    return undefined
  }
}

/** The client identifier of an identity, which is also what its session is called. */
export const clientIdOf = ({ deviceId, moduleId }: IdentityName): string =>
  moduleId === undefined ? deviceId : `${deviceId}/${moduleId}`
