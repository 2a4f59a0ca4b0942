/** What a connection string of Event Hubs, Service Bus or Relay says. */
export interface SharedAccess {
  /** Lower case, without brackets. */
  readonly host: string
  /** Undefined: the protocol's usual one. */
  readonly port: number | undefined
  readonly keyName: string
  readonly key: string
  /** The one entity that it is for. */
  readonly entityPath: string | undefined
  /** Of a local emulator, which speaks without TLS. */
  readonly emulator: boolean
}

/**
 * `Endpoint=sb://NAMESPACE.servicebus.windows.net/;SharedAccessKeyName=NAME;SharedAccessKey=KEY;EntityPath=ENTITY`,
 * names in any letter case and order. What is wrong with it comes back as text, to follow "that", and repeats
 * nothing of it: any part may be a secret.
 *
 * Source: learn.microsoft.com/azure/event-hubs/event-hubs-get-connection-string;
 * learn.microsoft.com/azure/service-bus-messaging/test-locally-with-service-bus-emulator
 */
export function decodeConnectionString(text: string): SharedAccess | string {
  const parts = new Map<string, string>()
  for (const part of text.split(';')) {
    if (part.trim() === '') continue
    // Keys are base64 and may end with equals signs.
    const equals = part.indexOf('=')
    if (equals < 0) return 'has a part without an equals sign'
    const name = part.slice(0, equals).trim().toLowerCase()
    if (!names.has(name)) return `has a part that is none of ${[...names.values()].join(', ')}`
    if (parts.has(name)) return `has ${names.get(name)} twice`
    parts.set(name, part.slice(equals + 1).trim())
  }
  for (const name of ['endpoint', 'sharedaccesskeyname', 'sharedaccesskey'])
    if (!parts.get(name)) return `lacks ${names.get(name)}`
  const endpoint = URL.parse((parts.get('endpoint') as string).replace(/^(sb|amqps?):\/\//i, 'https://'))
  if (endpoint?.protocol !== 'https:' || endpoint.hostname === '')
    return 'has an Endpoint that is no sb://host'
  const emulator = parts.get('usedevelopmentemulator')?.toLowerCase()
  if (emulator !== undefined && emulator !== 'true' && emulator !== 'false')
    return 'has a UseDevelopmentEmulator that is neither true nor false'
  return {
    host: endpoint.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: endpoint.port === '' ? undefined : Number(endpoint.port),
    keyName: parts.get('sharedaccesskeyname') as string,
    key: parts.get('sharedaccesskey') as string,
    entityPath: parts.get('entitypath') || undefined,
    emulator: emulator === 'true',
  }
}

/** As the service writes them, by their names in lower case. */
const names = new Map(
  ['Endpoint', 'SharedAccessKeyName', 'SharedAccessKey', 'EntityPath', 'UseDevelopmentEmulator'].map(
    (name) => [name.toLowerCase(), name],
  ),
)
