import { encodeSingle } from '../event/encode.ts'
import { invalidProperty } from '../wire/errors.ts'
import { fields, readInteger, readString, type WireObject } from '../wire/shape.ts'
import { readResourceId } from './azure-resource.ts'
import { connectionOf } from './connections.ts'
import { refuseAttributes } from './delivery-attributes.ts'
import type {
  Delivery,
  DeliveryContext,
  Destination,
  DestinationDecoding,
  DestinationEnvironment,
  DestinationSettings,
  DestinationType,
  Verification,
  VerificationRequest,
} from './destination.ts'
import { hopeless, resourceOutcomeOf } from './outcome.ts'
import type { Answer, Keep } from './sender.ts'
import { decodeStorageConnection, type StorageService, signRequest } from './storage-connection.ts'
import { cannotBeUsed, noConnection, unreachableDestination } from './unreachable.ts'

/** Source: learn.microsoft.com/rest/api/storageservices/put-message: as it is in the queue, encoding included. */
const messageBytes = 64 * 1024
/** Source: learn.microsoft.com/azure/event-grid/delivery-properties, "Azure Queue Storage message TTL" */
const timeToLive = { defaultSeconds: 7 * 24 * 60 * 60, never: -1, mostSeconds: 2 ** 31 - 1 }
const queueName = /^(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/
const accountType = 'Microsoft.Storage/storageAccounts'

interface StorageQueueProperties {
  readonly resourceId: string
  readonly queueName: string
  readonly queueMessageTimeToLiveInSeconds: number | null
}

/**
 * Queues of Azure Storage, or of whatever speaks its protocol. A message is one event, in base64.
 *
 * Source: learn.microsoft.com/azure/event-grid/handler-storage-queues
 */
export const storageQueue: DestinationType = {
  decode,
  deliverySchemas: undefined,
  takesIdentity: true,
  fullUrl: () => null,
  needsConsent: (live, next) => placeOf(live) !== placeOf(next),
  create,
  verify,
  example: {
    resourceId:
      '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/demo/providers/Microsoft.Storage/storageAccounts/devstoreaccount1',
    queueName: 'orders',
    queueMessageTimeToLiveInSeconds: 3600,
  },
}

function decode(wire: unknown, path: string, { capabilities }: DestinationDecoding): WireObject {
  const from = fields(wire, path)
  const resourceId = readResourceId(from, accountType, capabilities)
  const name = readString(from, 'queueName', 63) ?? ''
  if (!queueName.test(name))
    throw invalidProperty(
      from.at('queueName'),
      'a queue name: 3 to 63 lower-case letters, digits and single hyphens',
      name,
    )
  refuseAttributes(from, 'StorageQueue')
  const seconds = readInteger(
    from,
    'queueMessageTimeToLiveInSeconds',
    timeToLive.never,
    timeToLive.mostSeconds,
  )
  if (seconds === 0)
    throw invalidProperty(
      from.at('queueMessageTimeToLiveInSeconds'),
      'a number of seconds, or -1 for messages that never expire',
      seconds,
    )
  return { resourceId, queueName: name, queueMessageTimeToLiveInSeconds: seconds ?? null }
}

const propertiesOf = ({ properties }: DestinationSettings) => properties as unknown as StorageQueueProperties

function placeOf(settings: DestinationSettings): string {
  const { resourceId, queueName: name } = propertiesOf(settings)
  return `${resourceId.toLowerCase()}/${name}`
}

const messages: Keep = { bytes: 1024, onlyFailures: true }

function create(
  settings: DestinationSettings,
  { deliverySchema: schema, topicId }: DeliveryContext,
  { clock, trustedSender, connections }: DestinationEnvironment,
): Destination {
  const { resourceId, queueName: name, queueMessageTimeToLiveInSeconds } = propertiesOf(settings)
  const service = serviceOf(resourceId, connections)
  if (typeof service === 'string') return unreachableDestination(resourceId, service)
  const { queueMessageEncoding = 'base64' } = connectionOf(connections, resourceId) ?? {}
  const channel = trustedSender.open(service.url.origin)
  const query = { messagettl: String(queueMessageTimeToLiveInSeconds ?? timeToLive.defaultSeconds) }
  return {
    maxEvents: 1,
    preferredBytes: Number.POSITIVE_INFINITY,
    origin: service.url.origin,
    async deliver([delivery], signal) {
      const { event } = delivery as Delivery
      const json = encodeSingle(event, { schema, topicId }).body
      const text = queueMessageEncoding === 'base64' ? json.toString('base64') : json.toString('utf8')
      const bytes = Buffer.byteLength(text)
      if (bytes > messageBytes)
        return hopeless(
          'PayloadTooLarge',
          `A message of ${bytes} bytes does not fit into a storage queue, which takes ${messageBytes}.`,
        )
      const body = Buffer.from(
        `<QueueMessage><MessageText>${queueMessageEncoding === 'base64' ? text : escapeXml(text)}</MessageText></QueueMessage>`,
      )
      const now = clock.now()
      const request = signRequest(service, {
        ...{ method: 'POST', path: `/${name}/messages`, query, contentType: 'application/xml', now },
        bodyBytes: body.length,
      })
      const answer = await channel.send({ method: 'POST', body, ...request }, messages, signal)
      return resourceOutcomeOf(named(answer), clock.now())
    },
    announceDeletion: () => Promise.resolve(),
    close: () => channel.close(),
  }
}

/** The queue must be there, and the connection must let us see it. */
async function verify(
  { settings }: VerificationRequest,
  { clock, trustedSender, connections }: DestinationEnvironment,
  signal: AbortSignal,
): Promise<Verification> {
  const { resourceId, queueName: name } = propertiesOf(settings)
  const service = serviceOf(resourceId, connections)
  const queue = `The queue '${name}' of the storage account '${resourceId}'`
  if (typeof service === 'string') return cannotBeUsed(queue, service)
  const request = signRequest(service, {
    ...{ method: 'GET', path: `/${name}`, query: { comp: 'metadata' }, contentType: '', bodyBytes: 0 },
    now: clock.now(),
  })
  const channel = trustedSender.open(service.url.origin)
  try {
    const answer = await channel.send({ method: 'GET', body: null, ...request }, messages, signal)
    const outcome = resourceOutcomeOf(named(answer), clock.now())
    return outcome.kind === 'delivered'
      ? { kind: 'verified' }
      : cannotBeUsed(queue, `${outcome.error}.`, outcome.name)
  } finally {
    await channel.close()
  }
}

/** Text says why there is none. */
function serviceOf(
  resourceId: string,
  connections: DestinationEnvironment['connections'],
): StorageService | string {
  const text = connectionOf(connections, resourceId)?.connectionString
  if (text === undefined) return noConnection
  const service = decodeStorageConnection(text)
  return typeof service === 'string' ? `Its connectionString ${service}.` : service
}

/** Says what the service calls the failure instead of repeating its XML. */
function named(answer: Answer): Answer {
  if (answer.kind !== 'response') return answer
  const code = answer.headers['x-ms-error-code'] ?? /<Code>([^<]*)<\/Code>/.exec(answer.text)?.[1]
  return code === undefined ? answer : { ...answer, text: String(code) }
}

const escapeXml = (text: string) =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
