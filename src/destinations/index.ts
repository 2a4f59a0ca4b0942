import type { Clock } from '../base/clock.ts'
import { type AmqpSender, createAmqpSender } from './amqp-sender.ts'
import { azureFunction } from './azure-function.ts'
import type { Connections } from './connections.ts'
import type {
  DeliveryContext,
  Destination,
  DestinationEnvironment,
  DestinationSettings,
  DestinationType,
  FindNamespaceTopic,
  FindPartnerDestination,
  TokenFor,
  Verify,
} from './destination.ts'
import { eventHub } from './event-hub.ts'
import { hybridConnection } from './hybrid-connection.ts'
import { monitorAlert } from './monitor-alert.ts'
import { namespaceTopic } from './namespace-topic.ts'
import type { NetworkRules } from './network.ts'
import { partnerDestination } from './partner-destination.ts'
import { createSender, type Sender, type SenderLimits } from './sender.ts'
import { serviceBusQueue } from './service-bus-queue.ts'
import { serviceBusTopic } from './service-bus-topic.ts'
import { storageQueue } from './storage-queue.ts'
import { webhookType } from './webhook-type.ts'

/** Every destination type under its wire name. To add one: write the file, add the line. */
export const destinationTypes: Readonly<Record<string, DestinationType>> = {
  WebHook: webhookType,
  StorageQueue: storageQueue,
  EventHub: eventHub,
  ServiceBusQueue: serviceBusQueue,
  ServiceBusTopic: serviceBusTopic,
  HybridConnection: hybridConnection,
  AzureFunction: azureFunction,
  MonitorAlert: monitorAlert,
  NamespaceTopic: namespaceTopic,
  PartnerDestination: partnerDestination,
}

/** The type of settings that were decoded by it. */
export function destinationType({
  endpointType,
}: Pick<DestinationSettings, 'endpointType'>): DestinationType {
  const type = destinationTypes[endpointType]
  if (!type) throw new Error(`There is no destination type '${endpointType}'.`)
  return type
}

/** Makes destinations ready and asks endpoints for consent, over connections that all of them share. */
export interface Destinations {
  readonly create: (settings: DestinationSettings, context: DeliveryContext) => Destination
  readonly verify: Verify
  /** For endpoints that are no destinations of event subscriptions. */
  readonly transports: Transports
  /** Cuts every connection; call it when nothing delivers any more. */
  close(): Promise<void>
}

export interface Transports {
  /** Go where the network rules allow: for endpoints whose credentials whoever names them gives. */
  readonly guarded: { readonly sender: Sender; readonly amqp: AmqpSender }
  /** Go anywhere: for what the operator's own configuration names. */
  readonly trusted: { readonly sender: Sender; readonly amqp: AmqpSender }
  readonly connections: Connections
}

export function openDestinations(options: {
  readonly clock: Clock
  readonly rules: NetworkRules
  readonly connections?: Connections
  readonly limits?: SenderLimits
  readonly monitorAlertsUrl?: string | undefined
  readonly partnerDestination?: FindPartnerDestination
  readonly namespaceTopic?: FindNamespaceTopic
  readonly tokenFor?: TokenFor
}): Destinations {
  const { clock, rules, connections = new Map(), limits } = options
  const { monitorAlertsUrl, partnerDestination: findPartner = () => undefined, tokenFor = noTokens } = options
  const sender = createSender(clock, rules, limits)
  const anywhere = { ...rules, allowHttp: true, allowPrivateAddresses: true }
  const trustedSender = createSender(clock, anywhere, limits)
  const amqp = createAmqpSender(clock, anywhere)
  const guarded = { sender, amqp: createAmqpSender(clock, rules) }
  const environment: DestinationEnvironment = {
    ...{ clock, sender, trustedSender, amqp, connections, monitorAlertsUrl, tokenFor },
    partnerDestination: findPartner,
    namespaceTopic: options.namespaceTopic ?? (() => undefined),
  }
  return {
    create: (settings, context) => destinationType(settings).create(settings, context, environment),
    verify: (request, signal) => destinationType(request.settings).verify(request, environment, signal),
    transports: { guarded, trusted: { sender: trustedSender, amqp }, connections },
    async close() {
      await Promise.all([sender.close(), trustedSender.close(), amqp.close(), guarded.amqp.close()])
    },
  }
}

const noTokens: TokenFor = () => Promise.reject(new Error('nobody here issues tokens'))
