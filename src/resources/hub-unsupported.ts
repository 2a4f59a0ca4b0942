import { notSupported } from '../wire/errors.ts'
import {
  fields,
  readArray,
  readBoolean,
  readEnum,
  readObject,
  readString,
  type WireObject,
} from '../wire/shape.ts'

const commentsMost = 4_096
const namesMost = 1_000

/**
 * Refuses what an IoT hub may say on Azure and what is not done here. What has no effect that a client could see is
 * checked, and shown again: `features`, `comments`, `enableDataResidency`, `rootCertificate`, and `allowedFqdnList` for as
 * long as nothing is restricted to it.
 *
 * Source: learn.microsoft.com/rest/api/iothub/iot-hub-resource/create-or-update
 */
export function refuseUnsupported(properties: WireObject): void {
  const from = fields(properties, 'properties')
  readEnum(from, 'features', ['None', 'DeviceManagement'])
  readString(from, 'comments', commentsMost)
  readBoolean(from, 'enableDataResidency')
  const root = readObject(from, 'rootCertificate')
  if (root) readBoolean(root, 'enableRootCertificateV2')
  readArray(from, 'allowedFqdnList', namesMost)
  if (readBoolean(from, 'restrictOutboundNetworkAccess') === true)
    throw notSupported(
      from.at('restrictOutboundNetworkAccess'),
      `'${from.at('restrictOutboundNetworkAccess')}': true`,
      'Set it to false: the network rules of the server say where hubs connect to.',
    )
  const encryption = readObject(from, 'encryption')
  const keys = encryption && (readArray(encryption, 'keyVaultProperties', namesMost) ?? [])
  if (encryption && (keys?.length || isNamed(encryption.raw('keySource'), 'Microsoft.KeyVault')))
    throw notSupported(from.at('encryption'), 'Encryption with keys of a customer')
  const streams = readObject(from, 'deviceStreams')
  if (streams && readArray(streams, 'streamingEndpoints', namesMost)?.length)
    throw notSupported(streams.at('streamingEndpoints'), 'Device streams')
  const endpoints = readObject(from, 'storageEndpoints')
  const storage = endpoints && readObject(endpoints, '$default')
  if (!storage) return
  const type = readEnum(storage, 'authenticationType', ['keyBased', 'identityBased'])
  if (type === 'identityBased' || storage.raw('identity') !== undefined)
    throw notSupported(
      storage.at(type === 'identityBased' ? 'authenticationType' : 'identity'),
      'Access to a storage account by an identity of the hub',
    )
}

const isNamed = (value: unknown, name: string): boolean =>
  typeof value === 'string' && value.toLowerCase() === name.toLowerCase()
