import type { EncodedDelivery } from '../event/delivery.ts'
import type { StoredEvent } from '../event/event.ts'
import { invalidRequest } from '../wire/errors.ts'
import { fields, type WireObject } from '../wire/shape.ts'
import { type BrokerProperties, brokerPropertyOf, createMessages } from './amqp-message.ts'
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
import { cannotBeUsed, noConnection, unreachableDestination } from './unreachable.ts'

/** What Event Hubs and Service Bus differ in. */
export interface MessagingKind {
  /** Such as `Microsoft.ServiceBus/namespaces/queues`. */
  readonly resourceType: string
  readonly article: 'a' | 'an'
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
      const attributes = decodeAttributes(
        from,
        secrets,
        before?.secrets ?? {},
        `${kind.article} ${kind.noun}, whose connection authorizes`,
      )
      refuseBrokerProperties(attributes ?? [], kind, from.at('deliveryAttributeMappings'))
      return { resourceId, deliveryAttributeMappings: attributes }
    },
    deliverySchemas: undefined,
    takesIdentity: true,
    fullUrl: () => null,
    needsConsent: (live, next) =>
      propertiesOf(live).resourceId.toLowerCase() !== propertiesOf(next).resourceId.toLowerCase(),
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
      const known = brokerPropertyOf(name, properties)
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

interface Place {
  readonly endpoint: AmqpEndpoint
  /** The entity's name in its namespace. */
  readonly address: string
}

/** Text says why it is not known. */
function placeOf(resourceId: string, connections: Connections): Place | string {
  const connection = connectionOf(connections, resourceId)
  if (!connection) return noConnection
  const access = readBrokerAccess(connection)
  if (typeof access === 'string') return `Its connectionString ${access}.`
  const address = namesIn(resourceId).at(-1) as string
  if (access.entityPath !== undefined && access.entityPath.toLowerCase() !== address.toLowerCase())
    return `The connectionString that is configured for it has the EntityPath '${access.entityPath}'.`
  return { endpoint: access.endpoint, address }
}

function createMessaging(
  kind: MessagingKind,
  settings: DestinationSettings,
  context: DeliveryContext,
  { amqp, connections }: DestinationEnvironment,
): Destination {
  const { resourceId, deliveryAttributeMappings } = propertiesOf(settings)
  const place = placeOf(resourceId, connections)
  if (typeof place === 'string') return unreachableDestination(resourceId, place)
  const attributes = attributesOf(deliveryAttributeMappings, settings.secrets)
  const messageOf = createMessages(context, attributes, kind.properties)
  const secrets = attributes
    .flatMap((each) => (each.type === 'Static' && each.isSecret ? [each.value] : []))
    // The longest first: a secret may hold another.
    .sort((a, b) => b.length - a.length)
  const channel = amqp.open(place.endpoint, place.address)
  return {
    maxEvents: 1,
    preferredBytes: Number.POSITIVE_INFINITY,
    origin: brokerOrigin(place.endpoint),
    async deliver([delivery], signal): Promise<Outcome> {
      const { body, contentType } = kind.encode((delivery as Delivery).event, context)
      const answer = await channel.send(messageOf(delivery as Delivery, body, contentType), signal)
      return withoutSecrets(amqpOutcomeOf(answer), secrets)
    },
    // Nobody reads a queue to learn that.
    announceDeletion: () => Promise.resolve(),
    close: () => channel.close(),
  }
}

/** How much of a broker's own words is shown to whoever asks what happened. */
const shownCharacters = 512

/** Brokers may repeat what they were sent, and no secret attribute goes from there into traces and records. */
function withoutSecrets(outcome: Outcome, secrets: readonly string[]): Outcome {
  if (outcome.kind === 'delivered') return outcome
  let { error } = outcome
  for (const secret of secrets) error = error.replaceAll(secret, 'Hidden')
  return { ...outcome, error: error.slice(0, shownCharacters) }
}

/**
 * Asks for a link to the entity. A broker that says that there is none, or that it may not be sent to, is a no; one
 * that is not there yet may come, and its events wait for it.
 */
async function verifyMessaging(
  { noun }: MessagingKind,
  { settings }: VerificationRequest,
  { amqp, connections }: DestinationEnvironment,
  signal: AbortSignal,
): Promise<Verification> {
  const { resourceId } = propertiesOf(settings)
  const [namespace = '', name = ''] = namesIn(resourceId)
  const entity = `The ${noun} '${name}' in the namespace '${namespace}'`
  const place = placeOf(resourceId, connections)
  if (typeof place === 'string') return cannotBeUsed(entity, place)
  const channel = amqp.open(place.endpoint, place.address)
  const outcome = amqpOutcomeOf(await channel.probe(signal))
  await channel.close()
  if (outcome.kind === 'delivered' || !['NotFound', 'Unauthorized', 'Forbidden'].includes(outcome.name))
    return { kind: 'verified' }
  const error = outcome.error.slice(0, shownCharacters)
  return cannotBeUsed(entity, `${brokerOrigin(place.endpoint)} answers ${error}`, outcome.name)
}

/** Source: OASIS AMQP 1.0, part 2; IANA's service names */
const ports = { plain: 5672, secure: 5671 }

export interface BrokerAccess {
  readonly endpoint: AmqpEndpoint
  readonly entityPath: string | undefined
}

/** TLS, unless the connection is that of an emulator or its URL says `amqp:`. Text says what is wrong with it. */
export function readBrokerAccess({ url, connectionString = '' }: Connection): BrokerAccess | string {
  if (url !== undefined) return { endpoint: endpointOf(new URL(url)), entityPath: undefined }
  const access = decodeConnectionString(connectionString)
  if (typeof access === 'string') return access
  const { host, port, keyName, key, emulator, entityPath } = access
  const endpoint: AmqpEndpoint = {
    hostname: host,
    port: port ?? (emulator ? ports.plain : ports.secure),
    secure: !emulator,
    credentials: { user: keyName, password: key },
    durable: false,
  }
  return { endpoint, entityPath }
}

function endpointOf({ protocol, hostname, port, username, password }: URL): AmqpEndpoint {
  const secure = protocol === 'amqps:'
  return {
    hostname: hostname.replace(/^\[(.*)\]$/, '$1'),
    port: port === '' ? (secure ? ports.secure : ports.plain) : Number(port),
    secure,
    credentials:
      username === ''
        ? undefined
        : { user: decodeURIComponent(username), password: decodeURIComponent(password) },
    durable: true,
  }
}

export const brokerOrigin = ({ hostname, port, secure }: AmqpEndpoint) =>
  `${secure ? 'amqps' : 'amqp'}://${hostname.includes(':') ? `[${hostname}]` : hostname}:${port}`
