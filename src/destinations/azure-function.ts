import type { Clock } from '../base/clock.ts'
import { newGuid } from '../base/ids.ts'
import { encodeMoment } from '../base/moment.ts'
import { fields, type WireObject } from '../wire/shape.ts'
import { namesIn, readResourceId } from './azure-resource.ts'
import { type Connections, connectionOf } from './connections.ts'
import { attributesOf, decodeAttributes } from './delivery-attributes.ts'
import type {
  DeliveryAttribute,
  DeliveryContext,
  Destination,
  DestinationDecoding,
  DestinationEnvironment,
  DestinationSettings,
  DestinationType,
  Outcome,
  Verification,
  VerificationRequest,
} from './destination.ts'
import { createHttpDestination } from './http-delivery.ts'
import { resourceOutcomeOf } from './outcome.ts'
import type { Answer } from './sender.ts'
import { cannotBeUsed, noConnection, unreachableDestination } from './unreachable.ts'
import { eventGridHandshake, type Handshake, shakeHands, validationResponse } from './webhook-handshake.ts'
import { fixedHeaders } from './webhook-headers.ts'
import { decodeBatching } from './webhook-settings.ts'

const functionType = 'Microsoft.Web/sites/functions'
const appType = 'Microsoft.Web/sites'

interface FunctionProperties {
  readonly resourceId: string
  readonly maxEventsPerBatch: number
  readonly preferredBatchSizeInKilobytes: number
  readonly deliveryAttributeMappings: unknown
}

/**
 * Functions with an Event Grid trigger. Events go to the extension in the function's host, which also answers the
 * handshake; the app's connection says where the host is, and its key.
 *
 * Source: learn.microsoft.com/azure/azure-functions/functions-event-grid-blob-trigger, "Build the endpoint URL";
 * learn.microsoft.com/azure/event-grid/handler-functions
 */
export const azureFunction: DestinationType = {
  decode,
  deliverySchemas: ['EventGridSchema', 'CloudEventSchemaV1_0'],
  fullUrl: () => null,
  needsConsent: (live, next) =>
    propertiesOf(live).resourceId.toLowerCase() !== propertiesOf(next).resourceId.toLowerCase(),
  create,
  verify,
  example: {
    resourceId:
      '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/demo/providers/Microsoft.Web/sites/app/functions/OnOrder',
    maxEventsPerBatch: 10,
    deliveryAttributeMappings: [
      { name: 'x-color', type: 'Dynamic', properties: { sourceField: 'data.color' } },
    ],
  },
}

function decode(
  wire: unknown,
  path: string,
  { secrets, before, capabilities }: DestinationDecoding,
): WireObject {
  const from = fields(wire, path)
  return {
    resourceId: readResourceId(from, functionType, capabilities, appType),
    ...decodeBatching(from),
    deliveryAttributeMappings: decodeAttributes(
      from,
      secrets,
      before?.secrets ?? {},
      'a function, which has a key of its own',
    ),
  }
}

const propertiesOf = ({ properties }: DestinationSettings) => properties as unknown as FunctionProperties

function create(
  settings: DestinationSettings,
  context: DeliveryContext,
  { clock, trustedSender, connections }: DestinationEnvironment,
): Destination {
  const { resourceId, maxEventsPerBatch, preferredBatchSizeInKilobytes, deliveryAttributeMappings } =
    propertiesOf(settings)
  const url = urlOf(resourceId, connections)
  if (url === undefined) return unreachableDestination(resourceId)
  return createHttpDestination(
    {
      plainParameters: ['functionName'],
      ...{ url, sender: trustedSender, maxEventsPerBatch, preferredBatchSizeInKilobytes },
      attributes: attributesOf(deliveryAttributeMappings, settings.secrets),
      credential: undefined,
      outcomeOf,
      // What the extension in the host calls it; any other word it refuses.
      farewell: 'Unsubscribe',
    },
    context,
    clock,
  )
}

function urlOf(resourceId: string, connections: Connections): string | undefined {
  const { url, key } = connectionOf(connections, resourceId) ?? {}
  if (url === undefined) return undefined
  const [, name = ''] = namesIn(resourceId)
  const query = new URLSearchParams({ functionName: name, ...(key !== undefined && { code: key }) })
  return `${url}/runtime/webhooks/eventgrid?${query.toString()}`
}

/** The host knows functions with an Event Grid trigger alone, and says so of any other name. */
function outcomeOf(answer: Answer, now: number): Outcome {
  const outcome = resourceOutcomeOf(answer, now)
  if (answer.kind !== 'response' || outcome.kind !== 'retry') return outcome
  return answer.status === 404 && /^\W*cannot find function/i.test(answer.text)
    ? { ...outcome, name: 'InvalidAzureFunctionDestination' }
    : outcome
}

/** The extension in the function's host sends the code back; there is nobody else to ask. */
async function verify(
  request: VerificationRequest,
  { clock, trustedSender, connections }: DestinationEnvironment,
  signal: AbortSignal,
): Promise<Verification> {
  const { settings, context } = request
  const { resourceId, deliveryAttributeMappings } = propertiesOf(settings)
  const text = urlOf(resourceId, connections)
  if (text === undefined) return cannotBeUsed(`The function '${resourceId}'`, noConnection)
  const url = new URL(text)
  const path = url.pathname + url.search
  const attributes = attributesOf(deliveryAttributeMappings, settings.secrets)
  const { request: question, help } =
    context.deliverySchema === 'CloudEventSchemaV1_0'
      ? cloudEventHandshake(attributes, request, path, clock)
      : eventGridHandshake({ attributes }, request, path, clock)
  const handshake: Handshake = {
    request: question,
    help,
    judge({ status, text: answer }) {
      if (status !== 200) return undefined
      return validationResponse(answer) === request.validationCode
        ? { kind: 'verified' }
        : cannotBeUsed(
            `The function '${resourceId}'`,
            'It answered without the validation code, as none with an Event Grid trigger does.',
            'InvalidAzureFunctionDestination',
          )
    },
  }
  return shakeHands(url, handshake, { clock, sender: trustedSender, credential: undefined }, signal)
}

/** The validation event as a CloudEvent, whose `data` the extension expects as JSON within a string. */
function cloudEventHandshake(
  attributes: readonly DeliveryAttribute[],
  { context, validationCode, validationUrl }: VerificationRequest,
  path: string,
  clock: Clock,
): Pick<Handshake, 'request' | 'help'> {
  const id = newGuid()
  const contentType = 'application/cloudevents+json; charset=utf-8'
  const headers = fixedHeaders(context, attributes, 'SubscriptionValidation', contentType)
  headers.push('aeg-delivery-count', '0', 'aeg-metadata-version', '1.0', 'aeg-data-version', '')
  headers.push('aeg-output-event-id', id)
  const event = {
    ...{ specversion: '1.0', id, source: context.topicId, subject: '' },
    type: 'Microsoft.EventGrid.SubscriptionValidationEvent',
    time: encodeMoment(clock.now()),
    data: JSON.stringify({ validationCode, validationUrl }),
  }
  return {
    request: { method: 'POST', path, headers, body: Buffer.from(JSON.stringify(event)) },
    help: 'https://aka.ms/esvalidation',
  }
}
