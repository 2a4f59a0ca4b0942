import { type Command } from 'commander'
import { domainKind, findResource, listPath, sourceTypes, topicKind, versioned } from './azure.ts'
import { type Client, type Json, Refused } from './client.ts'
import type { Found } from './connection.ts'
import { textOf } from './found.ts'
import { UsageError } from './usage-error.ts'

/*
 * What an event subscription is on: a topic or a domain by name, a domain topic, or anything by its ARM id.
 */

export function addSourceOptions(command: Command): Command {
  return command
    .option('--topic <NAME>', 'topic that it is on')
    .option('--domain <NAME>', 'domain that it is on')
    .option('--domain-topic <NAME>', 'topic within --domain that it is on')
    .option(
      '--source-resource-id <ID>',
      'the same, as an ARM id: topic, domain, domain topic, system topic, ...',
    )
    .option('-g, --resource-group <GROUP>', 'resource group of the topic or domain (default: wherever it is)')
}

/** The ARM id of the source that the options name; undefined where they name none. */
export async function sourceOf(client: Client, found: Found): Promise<string | undefined> {
  const [topic, domain, domainTopic, id] = ['topic', 'domain', 'domainTopic', 'sourceResourceId'].map(
    (name) => textOf(found, name),
  )
  if ([topic, domain, id].filter((name) => name !== undefined).length > 1)
    throw new UsageError('Give one of --topic, --domain and --source-resource-id.')
  if (domainTopic !== undefined && domain === undefined)
    throw new UsageError('--domain-topic needs --domain, the domain that it is in.')
  const group = textOf(found, 'resourceGroup')
  if (id !== undefined) {
    if (id.startsWith('/')) return id.replace(/\/+$/, '')
    throw new UsageError(`--source-resource-id must be an ARM id, such as /subscriptions/...: got '${id}'.`)
  }
  if (topic !== undefined) return idOf(await findResource(client, topicKind, topic, group))
  if (domain === undefined) return undefined
  const domainId = idOf(await findResource(client, domainKind, domain, group))
  return domainTopic === undefined ? domainId : `${domainId}/topics/${encodeURIComponent(domainTopic)}`
}

export const eventSubscriptionId = (source: string, name: string): string =>
  `${eventSubscriptionsOf(source)}/${encodeURIComponent(name)}`

/** As an extension of its source; of system topics and partner topics as a child, which is the only form they have. */
const eventSubscriptionsOf = (source: string) =>
  /\/(systemTopics|partnerTopics)\/[^/]+$/i.test(source)
    ? `${source}/eventSubscriptions`
    : `${source}/providers/Microsoft.EventGrid/eventSubscriptions`

/** Those of a source, or all there are. */
export async function listEventSubscriptions(
  client: Client,
  source: string | undefined,
  group: string | undefined,
): Promise<readonly Json[]> {
  if (source !== undefined) return client.list(versioned(eventSubscriptionsOf(source), page))
  // The API lists them by region.
  const regions = new Set<string>()
  for (const plural of sourceTypes)
    for (const { location } of await listType(client, plural, group)) regions.add(location as string)
  const scope = listPath(topicKind, group).replace(/\/topics$/, '')
  const lists = [`${scope}/eventSubscriptions`]
  for (const region of regions)
    if (region !== 'global') lists.push(`${scope}/locations/${region}/eventSubscriptions`)
  const found: Json[] = []
  for (const list of lists) found.push(...(await client.list(versioned(list, page))))
  return found
}

/** The event subscription of that name, on that source or on whatever has one. */
export async function findEventSubscription(client: Client, found: Found, name: string): Promise<Json> {
  const source = await sourceOf(client, found)
  if (source !== undefined) return client.request('GET', versioned(eventSubscriptionId(source, name)))
  const all = await listEventSubscriptions(client, undefined, textOf(found, 'resourceGroup'))
  const named = all.filter((each) => (each.name as string).toLowerCase() === name.toLowerCase())
  if (named.length === 1) return named[0]
  if (named.length > 1)
    throw new UsageError(
      `More than one source has an event subscription '${name}': say which with --topic or --source-resource-id.`,
    )
  throw new Refused(
    404,
    'ResourceNotFound',
    `There is no event subscription '${name}': "busbar subscription list" shows those there are.`,
  )
}

const page = { $top: '100' }

const idOf = ({ id }: Json): string => id as string

/** None where the server does not know the type. */
const listType = (client: Client, plural: string, group: string | undefined) =>
  client.list(versioned(listPath({ plural }, group), page)).catch((error: unknown): readonly Json[] => {
    if (
      error instanceof Refused &&
      error.code !== 'ResourceGroupNotFound' &&
      [400, 404].includes(error.status)
    )
      return []
    throw error
  })
