import { encodeMoment } from '../base/moment.ts'
import type { EventSubscription } from '../catalog/catalog.ts'
import { attributesOf } from '../destinations/delivery-attributes.ts'
import type { DeliveryAttribute } from '../destinations/destination.ts'
import { fieldOf } from '../event/encode.ts'
import type { DeadLetter } from './dead-letter.ts'
import type { GiveUpReason } from './policy.ts'

/*
 * What is written of the events of a namespace's topic that are given up, whether they were to be delivered or received:
 *
 *   [{ "deadLetterProperties": { ... }, "customDeliveryProperties": { ... }, "event": { ... } }]
 *
 * Source: learn.microsoft.com/azure/event-grid/dead-letter-event-subscriptions-namespace-topics
 */

/** In the service's words where they are known. */
const reasons: Readonly<Record<GiveUpReason, string>> = {
  MaxDeliveryAttemptsExceeded: 'Maximum delivery attempts was exceeded.',
  UndeliverableDueToClientError: 'Undeliverable due to client error',
  TimeToLiveExceeded: 'Time to live was exceeded.',
  Rejected: 'Event was rejected.',
}

export function encodeNamespaceDeadLetters(
  deadLetters: readonly DeadLetter[],
  { destination, queue }: Pick<EventSubscription, 'destination' | 'queue'>,
): Buffer {
  const { properties, secrets } = destination ?? { properties: {}, secrets: {} }
  const attributes = attributesOf((properties as Record<string, unknown>).deliveryAttributeMappings, secrets)
  const parts: Buffer[] = []
  for (const deadLetter of deadLetters) {
    const custom = customProperties(attributes, deadLetter)
    const head = JSON.stringify({
      deadLetterProperties: propertiesOf(deadLetter, queue !== undefined),
      ...(custom && { customDeliveryProperties: custom }),
    })
    // The event is spliced, not decoded: its bytes stay as published.
    parts.push(
      Buffer.from(`${parts.length === 0 ? '[' : ','}${head.slice(0, -1)},"event":`),
      deadLetter.event.body,
      brace,
    )
  }
  parts.push(bracket)
  return Buffer.concat(parts)
}

const brace = Buffer.from('}')
const bracket = Buffer.from(']')

function propertiesOf(deadLetter: DeadLetter, isReceived: boolean): object {
  const { reason, attempts, lastOutcome, lastAttemptAt, event } = deadLetter
  const received = reason === 'Rejected' ? reasons.Rejected : 'Event was not acknowledged nor rejected.'
  return {
    deadletterreason: reasons[reason],
    deliveryattempts: attempts,
    deliveryresult: isReceived ? received : lastOutcome,
    publishutc: encodeMoment(event.publishedAt),
    deliveryattemptutc: lastAttemptAt === undefined ? undefined : encodeMoment(lastAttemptAt),
  }
}

/** Headers that deliveries have, less those that are secret; undefined where there are none. */
function customProperties(
  attributes: readonly DeliveryAttribute[],
  { event }: DeadLetter,
): Readonly<Record<string, string>> | undefined {
  const found: [string, string][] = []
  for (const attribute of attributes) {
    if (attribute.type === 'Static') {
      if (!attribute.isSecret) found.push([attribute.name, attribute.value])
      continue
    }
    const value = fieldOf(event, attribute.sourceField)
    if (value !== undefined) found.push([attribute.name, value])
  }
  return found.length > 0 ? Object.fromEntries(found) : undefined
}
