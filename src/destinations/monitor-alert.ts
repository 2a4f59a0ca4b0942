import type { Clock } from '../base/clock.ts'
import { encodeMoment } from '../base/moment.ts'
import { encodeSingle, fieldOf } from '../event/encode.ts'
import { isResourceId } from '../wire/arm-id.ts'
import { invalidProperty, invalidRequest } from '../wire/errors.ts'
import {
  checkString,
  type Fields,
  fields,
  readArray,
  readEnum,
  readString,
  type WireObject,
} from '../wire/shape.ts'
import { resourceIdCharacters } from './azure-resource.ts'
import { connectionAdvice, connectionOf } from './connections.ts'
import { refuseAttributes } from './delivery-attributes.ts'
import type {
  Delivery,
  DeliveryContext,
  Destination,
  DestinationCapabilities,
  DestinationDecoding,
  DestinationEnvironment,
  DestinationSettings,
  DestinationType,
  Outcome,
  Verification,
  VerificationRequest,
} from './destination.ts'
import { createFailureText } from './failure-text.ts'
import { resourceOutcomeOf } from './outcome.ts'
import { cannotBeUsed, unreachableDestination } from './unreachable.ts'

const actionGroupType = 'Microsoft.Insights/actionGroups'
const severities = ['Sev0', 'Sev1', 'Sev2', 'Sev3', 'Sev4'] as const
/** Source: learn.microsoft.com/azure/azure-monitor/service-limits: of one alert rule. */
const alertLimits = { actionGroups: 5, descriptionCharacters: 1024 }

interface AlertProperties {
  readonly severity: (typeof severities)[number]
  readonly description: string | null
  readonly actionGroups: readonly string[] | null
}

/**
 * Alerts of Azure Monitor, in the common alert schema, to what the operator has put in the place of each action
 * group: an HTTP endpoint of its own, or the one for all alerts.
 *
 * Source: learn.microsoft.com/azure/event-grid/handle-health-resources-events-using-azure-monitor-alerts;
 * learn.microsoft.com/azure/azure-monitor/alerts/alerts-common-schema
 */
export const monitorAlert: DestinationType = {
  decode,
  deliverySchemas: ['CloudEventSchemaV1_0'],
  fullUrl: () => null,
  needsConsent: () => false,
  create,
  verify,
  example: {
    severity: 'Sev2',
    description: 'A virtual machine became unavailable.',
    actionGroups: [
      '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/demo/providers/Microsoft.Insights/actionGroups/oncall',
    ],
  },
}

function decode(wire: unknown, path: string, { capabilities }: DestinationDecoding): WireObject {
  const from = fields(wire, path)
  refuseAttributes(from, 'MonitorAlert')
  const severity = readEnum(from, 'severity', severities)
  if (severity === undefined)
    throw invalidProperty(from.at('severity'), `one of ${severities.join(', ')}`, undefined)
  return {
    severity,
    description: readString(from, 'description', alertLimits.descriptionCharacters) ?? null,
    actionGroups: decodeActionGroups(from, capabilities),
  }
}

function decodeActionGroups(from: Fields, capabilities: DestinationCapabilities): readonly string[] | null {
  const { takesAlerts = false } = capabilities
  const groups = (readArray(from, 'actionGroups', alertLimits.actionGroups) ?? []).map(({ value, path }) => {
    const id = checkString(value, path, resourceIdCharacters)
    if (!isResourceId(id, actionGroupType))
      throw invalidProperty(path, `the ARM id of a resource of type ${actionGroupType}`, id)
    if (!takesAlerts && !capabilities.hasConnection(id))
      throw invalidRequest(
        `Where alerts of '${id}' go is not known. ${connectionAdvice(actionGroupType)}, or give the url of all ` +
          "alerts under the configuration key 'monitorAlerts'.",
        path,
      )
    return id
  })
  if (groups.length > 0) return groups
  if (!takesAlerts)
    throw invalidRequest(
      "Where alerts without action groups go is not known. Give their url under the configuration key 'monitorAlerts'.",
      from.at('actionGroups'),
    )
  return null
}

const propertiesOf = ({ properties }: DestinationSettings) => properties as unknown as AlertProperties

/** Each of the places once. */
function urlsOf(
  { actionGroups }: AlertProperties,
  { connections, monitorAlertsUrl }: DestinationEnvironment,
): readonly string[] {
  const urls = (actionGroups ?? ['']).map((id) => connectionOf(connections, id)?.url ?? monitorAlertsUrl)
  return [...new Set(urls.filter((url) => url !== undefined))]
}

function create(
  settings: DestinationSettings,
  context: DeliveryContext,
  environment: DestinationEnvironment,
): Destination {
  const properties = propertiesOf(settings)
  const { clock, trustedSender } = environment
  const places = urlsOf(properties, environment).map((text) => {
    const url = new URL(text)
    const failureText = createFailureText({ url: text, attributes: [], credential: undefined })
    return { path: url.pathname + url.search, failureText, channel: trustedSender.open(url.origin), url }
  })
  const [first] = places
  if (!first) return unreachableDestination('Azure Monitor', "No url is configured under 'monitorAlerts'.")
  const headers = ['Accept', '*/*', 'User-Agent', 'Busbar', 'Content-Type', 'application/json; charset=utf-8']
  return {
    maxEvents: 1,
    preferredBytes: Number.POSITIVE_INFINITY,
    origin: first.url.origin,
    async deliver([delivery], signal) {
      const body = encodeAlert(delivery as Delivery, properties, context, clock)
      const outcomes = await Promise.all(
        places.map(async ({ path, failureText, channel }) => {
          const answer = await channel.send({ method: 'POST', path, headers, body }, failureText.keep, signal)
          return resourceOutcomeOf(failureText.shown(answer, ''), clock.now())
        }),
      )
      return worstOf(outcomes)
    },
    announceDeletion: () => Promise.resolve(),
    async close() {
      await Promise.all(places.map(({ channel }) => channel.close()))
    },
  }
}

/** One that may yet take it decides before one that never will: with the next attempt all are told again. */
function worstOf(outcomes: readonly Outcome[]): Outcome {
  return (
    outcomes.find(({ kind }) => kind === 'retry') ??
    outcomes.find(({ kind }) => kind === 'hopeless') ??
    (outcomes[0] as Outcome)
  )
}

/** Source: learn.microsoft.com/azure/azure-monitor/alerts/alerts-common-schema, "Essentials fields" */
function encodeAlert(
  { event, outputEventId }: Delivery,
  { severity, description, actionGroups }: AlertProperties,
  { deliverySchema: schema, topicId, eventSubscriptionId, eventSubscriptionName }: DeliveryContext,
  clock: Clock,
): Buffer {
  const cloudEvent = encodeSingle(event, { schema, topicId }).body
  // The resource that a health event is about is its subject.
  const named = [fieldOf(event, 'subject'), fieldOf(event, 'source', topicId)]
  const target = named.find((id) => id?.startsWith('/')) ?? topicId
  const [, subscriptionId = ''] = /^\/subscriptions\/([^/]+)/i.exec(topicId) ?? []
  const essentials = {
    alertId: `/subscriptions/${subscriptionId}/providers/Microsoft.AlertsManagement/alerts/${outputEventId}`,
    alertRule: eventSubscriptionName,
    alertRuleID: eventSubscriptionId,
    severity,
    signalType: 'Log',
    monitorCondition: 'Fired',
    monitoringService: 'Event Grid',
    alertTargetIDs: [target],
    originAlertId: outputEventId,
    firedDateTime: encodeMoment(clock.now()),
    description: description ?? '',
    essentialsVersion: '1.0',
    alertContextVersion: '1.0',
    ...(actionGroups && { actionGroups }),
  }
  // The event keeps the bytes that were published.
  const head = `{"schemaId":"azureMonitorCommonAlertSchema","data":{"essentials":${JSON.stringify(essentials)},"alertContext":`
  return Buffer.concat([Buffer.from(head), cloudEvent, Buffer.from('}}')])
}

function verify(
  { settings }: VerificationRequest,
  environment: DestinationEnvironment,
): Promise<Verification> {
  if (urlsOf(propertiesOf(settings), environment).length > 0) return Promise.resolve({ kind: 'verified' })
  return Promise.resolve(cannotBeUsed('Azure Monitor', "No url is configured under 'monitorAlerts'."))
}
