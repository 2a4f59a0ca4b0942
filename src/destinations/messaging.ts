import type { EncodedDelivery } from '../event/delivery.ts'
import type { StoredEvent } from '../event/event.ts'
import { invalidRequest } from '../wire/errors.ts'
import { fields, type WireObject } from '../wire/shape.ts'
import { type BrokerProperties, createMessages } from './amqp-message.ts'
import { amqpOutcomeOf } from './amqp-outcome.ts'
import type { AmqpEndpoint } from './amqp-sender.ts'
import { namesIn, readResourceId } from './azure-resource.ts'
import { decodeConnectionString } from './connection-string.ts'
import { type Connection, type Connections, connectionOf } from './connections.ts'
import { attributesOf, decodeAttributes } from './delivery-attributes.ts'
import type {
  Delivery,
  DeliveryContext,
  Destination,
  DestinationEnvironment,
  DestinationSettings,
  DestinationType,
  Outcome,
  Verification,
  VerificationRequest,
} from './destination.ts'
import { missingMinimumMs, retry } from './outcome.ts'

/** What Event Hubs and Service Bus differ in. */
export interface MessagingKind {
  /** Such as `Microsoft.ServiceBus/namespaces/queues`. */
  readonly resourceType: string
  /** What people call such an entity, such as `queue`. */
  readonly noun: string
  /** Attributes that are more than an application property. */
  readonly properties: BrokerProperties
  encode(event: StoredEvent, context: DeliveryContext): EncodedDelivery
  readonly example: WireObject
}

interface MessagingProperties {
  readonly resourceId: string
  readonly deliveryAttributeMappings: unknown
}

/** A destination that is an entity of a broker: one message for each event. */
export function messagingType(kind: MessagingKind): DestinationType {
  return {
    decode(wire, path, { secrets, before, capabilities }) {
      const from = fields(wire, path)
      const resourceId = readResourceId(from, kind.resourceType, capabilities)
      const attributes = decodeAttributes(from, secrets, before?.secrets ?? {}, `a ${kind.noun}`)
      refuseBrokerProperties(attributes ?? [], kind, from.at('deliveryAttributeMappings'))
      return { resourceId, deliveryAttributeMappings: attributes }
    },
    deliverySchemas: undefined,
    takesIdentity: true,
    fullUrl: () => null,
    needsConsent: (live, next) => propertiesOf(live).resourceId !== propertiesOf(next).resourceId,
    create: (settings, context, environment) => createMessaging(kind, settings, context, environment),
    verify: (request, environment, signal) => verifyMessaging(kind, request, environment, signal),
    example: kind.example,
  }
}

const propertiesOf = ({ properties }: DestinationSettings) => properties as unknown as MessagingProperties

/** Source: learn.microsoft.com/azure/event-grid/delivery-properties, "Service Bus" */
function refuseBrokerProperties(
  attributes: readonly { readonly name: string; readonly type: 'Static' | 'Dynamic' }[],
  { properties }: MessagingKind,
  path: string,
): void {
  const found = (property: string) =>
    attributes.findIndex(({ name }) => {
      const known = properties[name.toLowerCase()]
      return known !== undefined && 'property' in known && known.property === property
    })
  const messageId = found('message_id')
  if (messageId < 0) return
  if (attributes[messageId]?.type === 'Static')
    throw invalidRequest(
      `The attribute MessageId must have the type Dynamic: with one value for all, a queue that looks for duplicates would keep one message.`,
      `${path}[${messageId}].type`,
    )
  if (found('group_id') >= 0)
    throw invalidRequest(`Only one of the attributes MessageId and SessionId may be set.`, path)
}

/** Where an entity is, or why that is not known. */
type Place =
  | { readonly endpoint: AmqpEndpoint; readonly address: string }
  | { readonly endpoint: undefined; readonly reason: string }

function placeOf({ resourceType, noun }: MessagingKind, resourceId: string, connections: Connections): Place {
  const connection = connectionOf(connections, resourceId)
  if (!connection)
    return { endpoint: undefined, reason: `No connection is configured for ${resourceType} '${resourceId}'.` }
  const address = namesIn(resourceId).at(-1) as string
  const entityPath = entityPathOf(connection)
  if (entityPath !== undefined && entityPath.toLowerCase() !== address.toLowerCase())
    return {
      endpoint: undefined,
      reason: `The connection that is configured for the ${noun} '${address}' has the EntityPath '${entityPath}'.`,
    }
  return { endpoint: amqpEndpointOf(connection), address }
}

function createMessaging(
  kind: MessagingKind,
  settings: DestinationSettings,
  context: DeliveryContext,
  { amqp, connections }: DestinationEnvironment,
): Destination {
  const { resourceId, deliveryAttributeMappings } = propertiesOf(settings)
  const attributes = attributesOf(deliveryAttributeMappings, settings.secrets)
  const place = placeOf(kind, resourceId, connections)
  const messageOf = createMessages(context, attributes, kind.properties)
  const secrets = attributes.flatMap((each) => (each.type === 'Static' && each.isSecret ? [each.value] : []))
  const channel = place.endpoint && amqp.open(place.endpoint, place.address)
  return {
    maxEvents: 1,
    preferredBytes: Number.POSITIVE_INFINITY,
    origin: place.endpoint ? `${originOf(place.endpoint)}/${place.address}` : resourceId,
    async deliver([delivery], signal): Promise<Outcome> {
      // What is missing in the configuration takes a restart to come.
      if (!channel) return retry('NotFound', place.reason ?? '', missingMinimumMs)
      const { event } = delivery as Delivery
      const { body, contentType } = kind.encode(event, context)
      const answer = await channel.send(messageOf(delivery as Delivery, body, contentType), signal)
      return withoutSecrets(amqpOutcomeOf(answer), secrets)
    },
    // Nobody reads a queue to learn that.
    announceDeletion: async () => {},
    close: async () => channel?.close(),
  }
}

/** How much of a broker's own words is shown to whoever asks what happened. */
const shownCharacters = 512

/** Brokers may repeat what they were sent, and no secret attribute goes from there into traces and records. */
function withoutSecrets(outcome: Outcome, secrets: readonly string[]): Outcome {
  if (outcome.kind === 'delivered') return outcome
  let { error } = outcome
  for (const secret of secrets.toSorted((a, b) => b.length - a.length))
    error = error.replaceAll(secret, 'Hidden')
  return { ...outcome, error: error.slice(0, shownCharacters) }
}

/**
 * Asks for a link to the entity. A broker that says that there is none, or that it may not be sent to, is a no; one
 * that is not there yet may come, and its events wait for it.
 */
async function verifyMessaging(
  kind: MessagingKind,
  { settings }: VerificationRequest,
  { amqp, connections }: DestinationEnvironment,
  signal: AbortSignal,
): Promise<Verification> {
  const { resourceId } = propertiesOf(settings)
  const place = placeOf(kind, resourceId, connections)
  if (!place.endpoint) return { kind: 'refused', message: place.reason }
  const channel = amqp.open(place.endpoint, place.address)
  const outcome = amqpOutcomeOf(await channel.probe(signal))
  await channel.close()
  if (outcome.kind === 'delivered' || !['NotFound', 'Unauthorized'].includes(outcome.name))
    return { kind: 'verified' }
  const [namespace = ''] = namesIn(resourceId)
  const what =
    outcome.name === 'NotFound'
      ? `The ${kind.noun} '${place.address}' was not found in the namespace '${namespace}'`
      : `The configured connection may not send to the ${kind.noun} '${place.address}' in the namespace '${namespace}'`
  return {
    kind: 'refused',
    message: `${what} at ${originOf(place.endpoint)}: ${outcome.error.slice(0, shownCharacters)}`,
  }
}

/** Source: OASIS AMQP 1.0, part 2; IANA's service names */
const ports = { plain: 5672, secure: 5671 }

/** TLS, unless the connection is that of an emulator or its URL says `amqp:`. */
function amqpEndpointOf({ url, connectionString = '' }: Connection): AmqpEndpoint {
  if (url !== undefined) {
    const { protocol, hostname, port, username, password } = new URL(url)
    const secure = protocol === 'amqps:'
    return {
      hostname: hostname.replace(/^\[(.*)\]$/, '$1'),
      port: port === '' ? (secure ? ports.secure : ports.plain) : Number(port),
      secure,
      credentials:
        username === ''
          ? undefined
          : { user: decodeURIComponent(username), password: decodeURIComponent(password) },
    }
  }
  const access = decodeConnectionString(connectionString)
  if (typeof access === 'string') throw new Error(`The configured connection string ${access}.`)
  const { host, port, keyName, key, emulator } = access
  return {
    hostname: host,
    port: port ?? (emulator ? ports.plain : ports.secure),
    secure: !emulator,
    credentials: { user: keyName, password: key },
  }
}

function entityPathOf({ connectionString }: Connection): string | undefined {
  const access = connectionString === undefined ? undefined : decodeConnectionString(connectionString)
  return typeof access === 'object' ? access.entityPath : undefined
}

const originOf = ({ hostname, port, secure }: AmqpEndpoint) =>
  `${secure ? 'amqps' : 'amqp'}://${hostname.includes(':') ? `[${hostname}]` : hostname}:${port}`
