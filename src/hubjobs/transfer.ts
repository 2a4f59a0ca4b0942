import type { EpochMs } from '../base/clock.ts'
import { HubError, invalid } from '../registry/errors.ts'
import { isObject, type WireObject } from '../wire/shape.ts'

/*
 * A job that writes all devices into a blob, or reads them from one.
 *
 * Source: learn.microsoft.com/azure/iot-hub/iot-hub-bulk-identity-mgmt and
 * learn.microsoft.com/rest/api/iothub/service/jobs/create-import-export-job
 */

export interface StoredTransfer {
  readonly id: string
  readonly type: 'export' | 'import'
  /** Sealed: the SAS URIs are keys of somebody's containers. */
  readonly sealedUris: string
  readonly inputBlob: string
  readonly outputBlob: string
  readonly excludeKeys: boolean
  readonly createdAt: EpochMs
  readonly startedAt?: EpochMs
  readonly endedAt?: EpochMs
  readonly status: 'enqueued' | 'running' | 'completed' | 'failed' | 'cancelled'
  readonly progress: number
  readonly failureReason?: string
  /** Of an import: up to where its blob has been read, and how many blocks of the log are written. */
  readonly offset: number
  readonly blocks: number
}

export interface Uris {
  readonly input: string | undefined
  readonly output: string
}

export interface TransferRequest {
  readonly type: 'export' | 'import'
  readonly uris: Uris
  readonly inputBlob: string
  readonly outputBlob: string
  readonly excludeKeys: boolean
}

const uriLength = 4_096
const blobLength = 1_024
const devicesBlob = 'devices.txt'

export function decodeTransfer(body: unknown): TransferRequest {
  if (!isObject(body)) throw invalid('The body', 'an object', body)
  const { storageAuthenticationType: authentication, identity } = body
  const isKeyed =
    authentication == null || (typeof authentication === 'string' && /^keyBased$/i.test(authentication))
  if (!isKeyed || identity != null)
    throw new HubError(
      'ArgumentInvalid',
      'storageAuthenticationType identityBased is not supported: give containers as SAS URIs.',
    )
  if (body.includeConfigurations === true)
    throw new HubError(
      'ArgumentInvalid',
      'includeConfigurations is not supported: devices and modules are exported.',
    )
  const type = typeof body.type === 'string' ? body.type.toLowerCase() : undefined
  if (type !== 'export' && type !== 'import') throw invalid('type', 'export or import', body.type)
  const input = type === 'import' ? decodeUri(body.inputBlobContainerUri, 'inputBlobContainerUri') : undefined
  return {
    type,
    uris: { input, output: decodeUri(body.outputBlobContainerUri, 'outputBlobContainerUri') },
    inputBlob: decodeBlob(body.inputBlobName, 'inputBlobName'),
    outputBlob: decodeBlob(body.outputBlobName, 'outputBlobName'),
    excludeKeys: body.excludeKeysInExport === true,
  }
}

function decodeBlob(value: unknown, name: string): string {
  if (value == null || value === '') return devicesBlob
  // Segments of dots name another blob than the one that is shown.
  const isName =
    typeof value === 'string' &&
    value.length <= blobLength &&
    value.isWellFormed() &&
    !value.split('/').some((segment) => segment === '.' || segment === '..')
  if (isName) return value
  throw invalid(name, `a name of at most ${blobLength} characters, without the segments '.' and '..'`, value)
}

/** What came is not told: it may be a key. */
function decodeUri(value: unknown, name: string): string {
  const uri = typeof value === 'string' && value.length <= uriLength ? URL.parse(value) : null
  const isWeb = uri?.protocol === 'https:' || uri?.protocol === 'http:'
  if (!uri || !isWeb || uri.pathname === '/' || uri.username !== '' || !uri.searchParams.has('sig'))
    throw invalid(name, 'the URI of a blob container with a shared access signature', 'something else')
  return uri.href
}

export const isTransferEnded = ({ status }: StoredTransfer): boolean =>
  status !== 'enqueued' && status !== 'running'

/** Without the signatures of the URIs. */
export function encodeTransfer(transfer: StoredTransfer, { input, output }: Uris): WireObject {
  const { id, type, startedAt, endedAt, failureReason, excludeKeys } = transfer
  const moment = (at: EpochMs) => new Date(at).toISOString()
  return {
    jobId: id,
    startTimeUtc: moment(startedAt ?? transfer.createdAt),
    ...(endedAt !== undefined && { endTimeUtc: moment(endedAt) }),
    type,
    status: transfer.status,
    progress: transfer.progress,
    ...(input !== undefined && {
      inputBlobContainerUri: withoutQuery(input),
      inputBlobName: transfer.inputBlob,
    }),
    outputBlobContainerUri: withoutQuery(output),
    ...(type === 'export' && { outputBlobName: transfer.outputBlob }),
    excludeKeysInExport: excludeKeys,
    useSecondaryStorageAsSource: false,
    ...(failureReason !== undefined && { failureReason }),
  }
}

const withoutQuery = (uri: string): string => {
  const { origin, pathname } = new URL(uri)
  return origin + pathname
}
