import type { MessageProperties, SystemProperties } from './message.ts'

/*
 * What comes behind the last slash of an MQTT topic of a hub: properties as `name=value`, with `&` between, both
 * percent-encoded. Names that begin with `$.` are the message's own.
 *
 * Source: learn.microsoft.com/azure/iot/iot-mqtt-connect-to-iot-hub, "Send device-to-cloud messages"
 */

/** Names that are the hub's own business are taken and passed over. */
const systemNames: Readonly<Record<string, keyof SystemProperties | undefined>> = {
  '$.mid': 'messageId',
  '$.cid': 'correlationId',
  '$.uid': 'userId',
  '$.to': 'to',
  '$.ct': 'contentType',
  '$.ce': 'contentEncoding',
  '$.exp': 'expiry',
  '$.ifid': 'interfaceId',
  '$.sub': 'component',
  '$.on': 'outputName',
}
/** The names of what a message says of itself. */
const namesOfSystem = Object.fromEntries(
  Object.entries(systemNames).map(([name, own]) => [own, name]),
) as Readonly<Record<keyof SystemProperties, string>>

/** With a name alone where there is no value. */
export function encodePropertyBag({ system, properties }: MessageProperties): string {
  const parts: string[] = []
  for (const [own, name] of Object.entries(namesOfSystem)) {
    const value = system[own as keyof SystemProperties]
    if (value !== undefined) parts.push(`${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
  }
  for (const [name, value] of Object.entries(properties)) {
    const encoded = encodeURIComponent(name)
    parts.push(value === null ? encoded : `${encoded}=${encodeURIComponent(value)}`)
  }
  return parts.join('&')
}

const passedOver = new Set(['$.cdid', '$.cmid'])

/** Undefined where it is not percent-encoded as it must be. */
export function decodePropertyBag(text: string): MessageProperties | undefined {
  const system: { -readonly [Name in keyof SystemProperties]: string } = {}
  const properties: [string, string | null][] = []
  try {
    // Modules end theirs with a slash.
    for (const part of text.replace(/\/$/, '').split('&')) {
      if (part === '') continue
      const equals = part.indexOf('=')
      const name = decodeURIComponent(equals < 0 ? part : part.slice(0, equals))
      const value = equals < 0 ? null : decodeURIComponent(part.slice(equals + 1))
      const own = Object.hasOwn(systemNames, name) ? systemNames[name] : undefined
      if (own !== undefined) system[own] = value ?? ''
      else if (!passedOver.has(name)) properties.push([name, value])
    }
  } catch {
    return undefined
  }
  return { system, properties: Object.fromEntries(properties) }
}
