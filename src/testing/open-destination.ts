import type { Clock } from '../base/clock.ts'
import type { Connection } from '../destinations/connections.ts'
import type {
  Destination,
  FindPartnerDestination,
  TokenFor,
  Verification,
} from '../destinations/destination.ts'
import { openDestinations } from '../destinations/index.ts'
import { type NetworkRules, openNetworkRules } from '../destinations/network.ts'
import type { DeliverySchema } from '../event/event.ts'
import type { WireObject } from '../wire/shape.ts'
import type { Ending } from './close-after.ts'
import { deliveryContext, settingsOf } from './destinations.ts'
import { ManualClock } from './manual-clock.ts'

export interface OpenOptions {
  readonly clock?: Clock
  readonly rules?: NetworkRules
  /** By ARM id, in any letter case. */
  readonly connections?: Readonly<Record<string, Connection>>
  readonly monitorAlertsUrl?: string
  readonly tokenFor?: TokenFor
  readonly partnerDestination?: FindPartnerDestination
}

export interface Opened {
  readonly to: (schema: DeliverySchema) => Destination
  readonly verify: (schema: DeliverySchema) => Promise<Verification>
}

export const validationUrl = 'https://127.0.0.1:4843/validate?id=code&token=token'

/** A destination of that type, whose properties are as a client sends them. */
export function openDestination(
  t: Ending,
  endpointType: string,
  wire: WireObject,
  { clock = new ManualClock(), rules = openNetworkRules, connections = {}, ...more }: OpenOptions = {},
): Opened {
  const byId = new Map(Object.entries(connections).map(([id, connection]) => [id.toLowerCase(), connection]))
  const destinations = openDestinations({ clock, rules, connections: byId, ...more })
  t.after(() => destinations.close())
  const settings = settingsOf(endpointType, wire)
  const never = new AbortController().signal
  return {
    to: (schema) => destinations.create(settings, deliveryContext(schema)),
    verify: (schema) => {
      const context = deliveryContext(schema)
      return destinations.verify({ settings, context, validationCode: 'the-code', validationUrl }, never)
    },
  }
}
