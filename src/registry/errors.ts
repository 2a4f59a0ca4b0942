import { RequestError } from '../base/errors.ts'

/*
 * The hub's refusals: a name, its number, and the text after it, as service and device clients know them.
 *
 * Source: learn.microsoft.com/azure/iot-hub/troubleshoot-error-codes
 */

const errors = {
  ArgumentInvalid: [400, 400004],
  InvalidOperation: [400, 400003],
  ArgumentNull: [400, 400005],
  BulkRegistryOperationFailure: [400, 400013],
  InvalidConfigurationTargetCondition: [400, 400401],
  InvalidConfigurationContent: [400, 400402],
  CannotModifyImmutableConfigurationContent: [400, 400403],
  InvalidConfigurationCustomMetricsQuery: [400, 400404],
  DefaultStorageEndpointNotConfigured: [400, 400014],
  InvalidFileUploadCorrelationId: [400, 400015],
  ExpiredFileUploadCorrelationId: [400, 400016],
  InvalidStorageEndpoint: [400, 400017],
  InvalidFileUploadCompletionStatus: [400, 400019],
  InvalidStorageEndpointOrBlob: [400, 400020],
  InvalidProtocolVersion: [400, 400001],
  IotHubUnauthorizedAccess: [401, 401002],
  IotHubQuotaExceeded: [403, 403002],
  DeviceMaximumQueueDepthExceeded: [403, 403004],
  DeviceMaximumActiveFileUploadLimitExceeded: [403, 403006],
  InvalidMessageExpiryTime: [403, 403009],
  DeviceDisabled: [403, 403012],
  DeviceNotFound: [404, 404001],
  ModuleNotFound: [404, 404010],
  IotHubNotFound: [404, 401001],
  DeviceNotOnline: [404, 404103],
  DeviceConnectionClosedRemotely: [404, 404104],
  JobNotFound: [404, 404002],
  ConfigurationNotFound: [404, 404301],
  GenericMethodNotAllowed: [405, 405000],
  DeviceAlreadyExists: [409, 409001],
  ModuleAlreadyExistsOnDevice: [409, 409301],
  JobAlreadyExists: [409, 409104],
  ConfigurationAlreadyExists: [409, 409401],
  PreconditionFailed: [412, 412001],
  DeviceMessageLockLost: [412, 412002],
  MessageTooLarge: [413, 413001],
  JobQuotaExceeded: [403, 403003],
  ConfigurationCountLimitExceeded: [403, 413101],
  TooManyDevices: [403, 413002],
  TooManyModulesOnDevice: [403, 413003],
  ThrottlingException: [429, 429001],
  ServerError: [500, 500001],
  // The service tells neither a name nor a number of this one.
  BadDeviceResponse: [502, 502000],
  ServiceUnavailable: [503, 503001],
  GatewayTimeout: [504, 504101],
} as const satisfies Readonly<Record<string, readonly [number, number]>>

export type HubErrorName = keyof typeof errors

export class HubError extends RequestError {
  /** Such as 404001. */
  readonly number: number
  declare readonly code: HubErrorName

  constructor(name: HubErrorName, message: string) {
    const [status, number] = errors[name]
    super(status, name, message)
    this.name = 'HubError'
    this.number = number
  }
}

export const invalid = (what: string, expected: string, got: unknown): HubError =>
  new HubError('ArgumentInvalid', `${what} must be ${expected}; got ${described(got)}.`)

const described = (value: unknown): string => {
  const text = value === undefined ? 'nothing' : JSON.stringify(value)
  return text.length > 100 ? `${text.slice(0, 100)}...` : text
}

export const deviceNotFound = (deviceId: string) => new HubError('DeviceNotFound', deviceId)
export const moduleNotFound = (deviceId: string, moduleId: string) =>
  new HubError('ModuleNotFound', `${deviceId}/${moduleId}`)
export const deviceExists = (deviceId: string) =>
  new HubError('DeviceAlreadyExists', `A device with ID '${deviceId}' is already registered.`)
export const moduleExists = (deviceId: string, moduleId: string) =>
  new HubError(
    'ModuleAlreadyExistsOnDevice',
    `A module with ID '${moduleId}' is already registered on device '${deviceId}'.`,
  )
export const preconditionFailed = () => new HubError('PreconditionFailed', 'PreconditionFailed')
export const twinPreconditionFailed = (deviceId: string) =>
  new HubError('PreconditionFailed', `ETag mismatch for device ID '${deviceId}'`)
