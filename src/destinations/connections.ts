import { OperatorError } from '../base/operator-error.ts'
import { decodeConnectionString } from './connection-string.ts'
import { storageAccountName, storageConnectionFault } from './storage-connection.ts'

/** How a resource that an ARM id names is reached, as the operator configured it. */
export interface Connection {
  readonly connectionString?: string
  /** Without a slash at its end. */
  readonly url?: string
  readonly key?: string
  /** Of a storage account: how events are written into messages of its queues. Default: base64. */
  readonly queueMessageEncoding?: 'base64' | 'text'
}

/** By ARM id, in lower case. */
export type Connections = ReadonlyMap<string, Connection>

/**
 * How that resource is reached, whatever the letter case of its id: by its own connection, else by that of the
 * nearest resource around it, such as the namespace of a queue.
 */
export function connectionOf(connections: Connections, resourceId: string): Connection | undefined {
  const segments = withoutSlash(resourceId.toLowerCase()).split('/')
  // A type and a name are two segments.
  for (; segments.length > 2; segments.length -= 2) {
    const connection = connections.get(segments.join('/'))
    if (connection) return connection
  }
  return undefined
}

/**
 * The connection string that the operator has given for the storage account of that one, whose name they share;
 * undefined: none.
 */
export function storageConnectionOf(connections: Connections, connectionString: string): string | undefined {
  const name = storageAccountName(connectionString)?.toLowerCase()
  if (name === undefined) return undefined
  const end = `/providers/microsoft.storage/storageaccounts/${name}`
  for (const [id, connection] of connections) if (id.endsWith(end)) return connection.connectionString
  return undefined
}

/** What a connection says for each type of resource; `oneOf` are alternatives. */
interface ConnectionRule {
  readonly oneOf: readonly (keyof Connection)[]
  readonly also?: readonly (keyof Connection)[]
  /** What is wrong with a connection string, to follow "that"; undefined: nothing. */
  readonly fault?: (connectionString: string) => string | undefined
  readonly schemes?: readonly string[]
}

const sharedAccessFault = (text: string) => {
  const decoded = decodeConnectionString(text)
  return typeof decoded === 'string' ? decoded : undefined
}

const messaging: ConnectionRule = {
  oneOf: ['connectionString', 'url'],
  fault: sharedAccessFault,
  schemes: ['amqp:', 'amqps:'],
}
const relay: ConnectionRule = { oneOf: ['connectionString'], fault: sharedAccessFault }
const web: ConnectionRule = { oneOf: ['url'], also: ['key'], schemes: ['http:', 'https:'] }

/** Every type of resource that may have a connection. */
const connectionRules: Readonly<Record<string, ConnectionRule>> = {
  'Microsoft.Storage/storageAccounts': {
    oneOf: ['connectionString'],
    also: ['queueMessageEncoding'],
    fault: storageConnectionFault,
  },
  'Microsoft.EventHub/namespaces': messaging,
  'Microsoft.EventHub/namespaces/eventhubs': messaging,
  'Microsoft.ServiceBus/namespaces': messaging,
  'Microsoft.ServiceBus/namespaces/queues': messaging,
  'Microsoft.ServiceBus/namespaces/topics': messaging,
  'Microsoft.Relay/namespaces': relay,
  'Microsoft.Relay/namespaces/hybridConnections': relay,
  'Microsoft.Web/sites': web,
  'Microsoft.EventGrid/namespaces': web,
  'Microsoft.EventGrid/namespaces/topics': web,
  'Microsoft.Insights/actionGroups': { oneOf: ['url'], schemes: ['http:', 'https:'] },
}

/** Throws an `OperatorError` that names the entry at fault and never a secret of it. */
export function decodeConnections(section: Readonly<Record<string, Connection>>): Connections {
  const connections = new Map<string, Connection>()
  for (const [given, connection] of Object.entries(section)) {
    const id = withoutSlash(given.toLowerCase())
    if (connections.has(id))
      throw atFault(given, 'is there twice: ids are the same in any letter case, and with a slash at the end')
    connections.set(id, decodeConnection(given, connection))
  }
  return connections
}

const withoutSlash = (id: string) => id.replace(/\/+$/, '')

function decodeConnection(id: string, connection: Connection): Connection {
  const type = typeOf(withoutSlash(id))
  const rule = type === undefined ? undefined : connectionRules[type]
  if (type === undefined || rule === undefined)
    throw atFault(
      id,
      `is not the ARM id of a resource that can have a connection, such as ` +
        `/subscriptions/S/resourceGroups/G/providers/Microsoft.Storage/storageAccounts/NAME; types: ` +
        Object.keys(connectionRules).join(', '),
    )
  const { oneOf, also = [], fault, schemes } = rule
  const members = Object.keys(connection) as (keyof Connection)[]
  for (const member of members)
    if (![...oneOf, ...also].includes(member))
      throw atFault(
        id,
        `has '${member}', and a connection of ${type} takes ${[...oneOf, ...also].join(', ')}`,
      )
  if (oneOf.filter((member) => connection[member] !== undefined).length !== 1)
    throw atFault(id, `needs ${oneOf.length === 1 ? '' : 'exactly one of '}${oneOf.join(', ')}`)
  const wrong = connection.connectionString === undefined ? undefined : fault?.(connection.connectionString)
  if (wrong !== undefined) throw atFault(id, `has a connectionString that ${wrong}`)
  if (connection.url === undefined) return connection
  return { ...connection, url: decodeUrl(id, connection.url, schemes ?? []) }
}

/** A user and a password have a place in the URL of a broker alone; elsewhere there is `key`. */
function decodeUrl(id: string, text: string, schemes: readonly string[]): string {
  const url = URL.parse(text)
  if (
    !url ||
    !schemes.includes(url.protocol) ||
    url.hash ||
    (url.protocol.startsWith('http') ? url.username : !isOfBroker(url))
  )
    throw atFault(
      id,
      `has a url that is none of ${schemes.map((scheme) => `${scheme}//host:port`).join(', ')}`,
    )
  return withoutSlash(text)
}

/** The address of an entity there is its name, and no path. A password without a user is nobody's. */
function isOfBroker({ pathname, search, username, password }: URL): boolean {
  if (pathname.replace('/', '') !== '' || search !== '' || (username === '' && password !== '')) return false
  try {
    decodeURIComponent(username + password)
    return true
  } catch {
    // A percent sign that stands for itself must be written as %25.
    return false
  }
}

/** The type of a resource in a resource group, in the casing of `connectionRules`. */
function typeOf(id: string): string | undefined {
  const match =
    /^\/subscriptions\/[^/]+\/resourcegroups\/[^/]+\/providers\/([^/]+)((?:\/[^/]+\/[^/]+)+)$/i.exec(id)
  if (!match) return undefined
  const [, namespace = '', rest = ''] = match
  const kinds = rest.split('/').filter((_, index) => index % 2 === 1)
  const type = [namespace, ...kinds].join('/').toLowerCase()
  return Object.keys(connectionRules).find((known) => known.toLowerCase() === type)
}

const atFault = (id: string, what: string) =>
  new OperatorError(`'connections' in the configuration file: '${id}' ${what}.`)

/** What to write into the configuration so that a resource of that type can be reached, for refusals. */
export function connectionAdvice(type: string): string {
  const members = connectionRules[type]?.oneOf.join(' or ') ?? 'connectionString'
  return `Give its ${members} under the configuration key 'connections', with this id as its name`
}
