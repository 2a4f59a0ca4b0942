import type { EpochMs } from '../base/clock.ts'
import type { DeliverySchema, InputSchema } from '../event/event.ts'

/** `key=value, key=value`, as the service writes what happened into one text. */
export const encodeMessage = (
  values: Readonly<Record<string, string | number | boolean | undefined>>,
): string =>
  Object.entries(values)
    .map(
      ([key, value]) =>
        `${key}=${value === undefined ? '' : typeof value === 'boolean' ? capital(value) : value}`,
    )
    .join(', ')

const capital = (value: boolean) => (value ? 'True' : 'False')

/** A moment as the service's own messages have it: `1/2/2026 3:04:05 AM`, UTC. */
export function encodeTime(moment: EpochMs): string {
  const date = new Date(moment)
  const hours = date.getUTCHours()
  const two = (n: number) => String(n).padStart(2, '0')
  const day = `${date.getUTCMonth() + 1}/${date.getUTCDate()}/${date.getUTCFullYear()}`
  return `${day} ${hours % 12 || 12}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())} ${hours < 12 ? 'AM' : 'PM'}`
}

/** Schemas under the names that they have within the service. */
export const schemaNames: Readonly<Record<InputSchema | DeliverySchema, string>> = {
  EventGridSchema: 'EventGridEvent',
  CloudEventSchemaV1_0: 'CloudEventV10',
  CustomEventSchema: 'CustomInputEvent',
  CustomInputSchema: 'CustomInputEvent',
}
