/*
 * What comes behind the last slash of a telemetry topic: properties as `name=value`, with `&` between, both
 * percent-encoded. Names that begin with `$.` are the message's own.
 *
 * Source: learn.microsoft.com/azure/iot/iot-mqtt-connect-to-iot-hub, "Send device-to-cloud messages"
 */

export interface PropertyBag {
  /** By their names in the bag, such as `$.mid`. */
  readonly own: ReadonlyMap<OwnProperty, string>
  /** The application's; null where there is a name alone. */
  readonly properties: Readonly<Record<string, string | null>>
}

const ownProperties = [
  ...(['$.mid', '$.cid', '$.uid', '$.to', '$.ct', '$.ce', '$.exp', '$.ifid', '$.sub', '$.on'] as const),
  ...(['$.cdid', '$.cmid'] as const),
] as const
export type OwnProperty = (typeof ownProperties)[number]

const isOwn = (name: string): name is OwnProperty => ownProperties.includes(name as OwnProperty)

/** Undefined where it is not percent-encoded as it must be. */
export function decodePropertyBag(text: string): PropertyBag | undefined {
  const own = new Map<OwnProperty, string>()
  const properties: [string, string | null][] = []
  try {
    // Modules end theirs with a slash.
    for (const part of text.replace(/\/$/, '').split('&')) {
      if (part === '') continue
      const equals = part.indexOf('=')
      const name = decodeURIComponent(equals < 0 ? part : part.slice(0, equals))
      const value = equals < 0 ? null : decodeURIComponent(part.slice(equals + 1))
      if (isOwn(name)) own.set(name, value ?? '')
      else properties.push([name, value])
    }
  } catch {
    return undefined
  }
  return { own, properties: Object.fromEntries(properties) }
}
