import { type HttpRequest, type HttpResponse, jsonResponse } from '../http/http.ts'
import type { WireObject } from '../wire/shape.ts'
import { allow } from './call.ts'
import { gatewayError } from './errors.ts'
import type { ProviderBlock } from './path.ts'

/*
 * What is asked of an IoT hub at the control plane and is no resource: how many devices it has, how much of its quotas is
 * taken, how its endpoints do, and imports and exports of its devices.
 *
 * Source: learn.microsoft.com/rest/api/iothub/iot-hub-resource
 */

/** What runs behind hubs; each rejects with a `RequestError` where the hub does not run. */
export interface HubFacts {
  describe(hubId: string): Promise<{
    readonly devices: number
    readonly enabledDevices: number
    readonly devicesMost: number
    readonly messagesToday: number
    readonly messagesPerDay: number
    readonly endpoints: readonly (readonly [name: string, health: EndpointFacts])[]
  }>
  transfersOf(hubId: string): Promise<{
    createTransfer(body: unknown): Promise<WireObject>
    transfer(id: string): WireObject
    transfers(): readonly WireObject[]
  }>
}

interface EndpointFacts {
  readonly status: string
  readonly lastError?: string
  readonly lastErrorAt?: number
  readonly lastDeliveredAt?: number
  readonly lastAttemptAt?: number
}

/** What is only read. */
export const hubReads = ['quotaMetrics', 'IotHubStats', 'skus', 'routingEndpointsHealth', 'jobs'] as const
const hubActions = ['exportDevices', 'importDevices', 'failover'] as const
const words = [...hubReads, ...hubActions]
type Word = (typeof words)[number]

/** A path below a hub that is about one of these. */
export interface HubPath {
  /** The same path as far as the hub. */
  readonly parent: ProviderBlock
  readonly word: Word
  /** Of a job; undefined where all are meant. */
  readonly name: string | undefined
}

export function hubPathOf({ namespace, types, names }: ProviderBlock): HubPath | undefined {
  const [hubs = '', given = ''] = types
  if (types.length !== 2 || `${namespace}/${hubs}`.toLowerCase() !== 'microsoft.devices/iothubs')
    return undefined
  const word = words.find((each) => each.toLowerCase() === given.toLowerCase())
  const [hub, name] = names
  if (word === undefined || hub === undefined || (name !== undefined && word !== 'jobs')) return undefined
  return { parent: { namespace, types: [hubs], names: [hub] }, word, name }
}

/** Whether it does something. */
export const isHubAction = ({ word }: Pick<HubPath, 'word'>): boolean =>
  hubActions.some((action) => action === word)

/**
 * @param hubId of a hub that exists
 * @param body reads that of an action
 */
export async function answerOfHub(
  { word, name }: HubPath,
  hubId: string,
  request: HttpRequest,
  facts: HubFacts,
  body: () => Promise<WireObject>,
): Promise<HttpResponse> {
  allow(request, isHubAction({ word }) ? ['POST'] : ['GET'])
  switch (word) {
    case 'quotaMetrics': {
      const { messagesToday, messagesPerDay, devices, devicesMost } = await facts.describe(hubId)
      return list([
        { name: 'TotalMessages', currentValue: messagesToday, maxValue: messagesPerDay },
        { name: 'TotalDeviceCount', currentValue: devices, maxValue: devicesMost },
      ])
    }
    case 'IotHubStats': {
      const { devices, enabledDevices } = await facts.describe(hubId)
      return jsonResponse(200, {
        totalDeviceCount: devices,
        enabledDeviceCount: enabledDevices,
        disabledDeviceCount: devices - enabledDevices,
      })
    }
    case 'skus':
      return list(editions.map(encodeEdition))
    case 'routingEndpointsHealth': {
      const { endpoints } = await facts.describe(hubId)
      // The built-in one is this server itself.
      return list([{ endpointId: 'events', healthStatus: 'healthy' }, ...endpoints.map(encodeHealth)])
    }
    case 'jobs': {
      const transfers = await facts.transfersOf(hubId)
      return name === undefined
        ? list(transfers.transfers().map(encodeJob))
        : jsonResponse(200, encodeJob(transfers.transfer(name)))
    }
    case 'failover':
      throw gatewayError(
        400,
        'OperationNotSupported',
        'failover is not supported: the hub is in one place, and there is no other region to go to.',
      )
    default: {
      const transfers = await facts.transfersOf(hubId)
      return jsonResponse(200, encodeJob(await transfers.createTransfer(decodeTransfer(word, await body()))))
    }
  }
}

const list = (value: readonly unknown[]): HttpResponse => jsonResponse(200, { value })

/** All that a hub may be changed to. */
const editions = [
  ...[['F1', 'Free'] as const],
  ...(['B1', 'B2', 'B3'] as const).map((name) => [name, 'Basic'] as const),
  ...(['S1', 'S2', 'S3'] as const).map((name) => [name, 'Standard'] as const),
]

const encodeEdition = ([name, tier]: (typeof editions)[number]) => ({
  resourceType: 'Microsoft.Devices/IotHubs',
  sku: { name, tier },
  capacity: { minimum: 1, maximum: 200, default: 1, scaleType: 'Manual' },
})

function encodeHealth([endpointId, health]: readonly [string, EndpointFacts]) {
  const { lastErrorAt, lastDeliveredAt, lastAttemptAt } = health
  return {
    endpointId,
    healthStatus: health.status,
    ...(health.lastError !== undefined && { lastKnownError: health.lastError }),
    ...(lastErrorAt !== undefined && { lastKnownErrorTime: rfc1123(lastErrorAt) }),
    ...(lastDeliveredAt !== undefined && { lastSuccessfulSendAttemptTime: rfc1123(lastDeliveredAt) }),
    ...(lastAttemptAt !== undefined && { lastSendAttemptTime: rfc1123(lastAttemptAt) }),
  }
}

const rfc1123 = (moment: number | string) => new Date(moment).toUTCString()

/** A job of the service API in the words of the control plane. */
function encodeJob({ jobId, type, status, startTimeUtc, endTimeUtc, failureReason }: WireObject): WireObject {
  return {
    ...{ jobId, type, status },
    startTimeUtc: rfc1123(startTimeUtc as string),
    ...(endTimeUtc !== undefined && { endTimeUtc: rfc1123(endTimeUtc as string) }),
    ...(failureReason !== undefined && { failureReason }),
  }
}

/** The same job in the words of the service API, which checks it. */
function decodeTransfer(word: Word, body: WireObject): WireObject {
  const { authenticationType: storageAuthenticationType, identity, includeConfigurations } = body
  const common = { storageAuthenticationType, identity, includeConfigurations }
  return word === 'exportDevices'
    ? {
        ...{ ...common, type: 'export', excludeKeysInExport: body.excludeKeys },
        ...{ outputBlobContainerUri: body.exportBlobContainerUri, outputBlobName: body.exportBlobName },
      }
    : {
        ...{ ...common, type: 'import' },
        ...{ inputBlobContainerUri: body.inputBlobContainerUri, inputBlobName: body.inputBlobName },
        ...{ outputBlobContainerUri: body.outputBlobContainerUri, outputBlobName: body.outputBlobName },
      }
}
