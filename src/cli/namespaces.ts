import { groupOf, listPath, versioned } from './azure.ts'
import { type Client, type Json, Refused } from './client.ts'
import { connectTo, type Found } from './connection.ts'
import { textOf } from './found.ts'
import { UsageError } from './usage-error.ts'

/** Where the topics of a namespace are published to and received from. */
export interface NamespaceDoor {
  readonly client: Client
  /** Below the client's base, up to `/topics/`. */
  readonly path: string
  readonly key: string
}

export const dataPlaneVersion = '2024-06-01'

/** The namespace that the options name; none need be named where there is only one. */
export async function openNamespace(client: Client, found: Found): Promise<NamespaceDoor> {
  const { id, properties } = await findNamespace(
    client,
    textOf(found, 'namespace'),
    textOf(found, 'resourceGroup'),
  )
  const key = textOf(found, 'accessKey') ?? (await client.request('POST', versioned(`${id}/listKeys`))).key1
  const url = new URL(`https://${properties.topicsConfiguration.hostname}`)
  // A path that names the namespace is found under any name of the server, so also the one by which we reach it.
  const start = url.pathname.search(/\/namespaces\/[^/]+\/[^/]+$/i)
  return start >= 0
    ? { client, path: url.pathname.slice(start), key }
    : { client: await connectTo(url.origin, found), path: '', key }
}

async function findNamespace(
  client: Client,
  name: string | undefined,
  group: string | undefined,
): Promise<Json> {
  const all = await client.list(versioned(listPath({ plural: 'namespaces' }, group)))
  const named = all.filter(
    (one) => name === undefined || String(one.name).toLowerCase() === name.toLowerCase(),
  )
  const [first, ...others] = named
  if (first === undefined)
    throw new Refused(
      404,
      'ResourceNotFound',
      name === undefined ? 'There is no namespace.' : `There is no namespace '${name}'.`,
    )
  if (others.length === 0) return first
  throw new UsageError(
    name === undefined
      ? `Say which namespace with --namespace: ${named.map((one) => one.name).join(', ')}.`
      : `There is a namespace '${name}' in more than one resource group, say which with -g: ` +
          `${named.map(({ id }) => groupOf(id as string)).join(', ')}.`,
  )
}

/** A namespace topic at its own URL, Azure's too: `https://host/topics/NAME`, with or without what follows the name. */
export async function openNamespaceAt(
  endpoint: string,
  accessKey: string | undefined,
  found: Found,
): Promise<NamespaceDoor & { readonly topic: string }> {
  const url = URL.parse(endpoint)
  const parts = /^(.*)\/topics\/([^/:]+)/i.exec(url?.pathname ?? '')
  if (!url || !/^https?:$/.test(url.protocol) || !parts)
    throw new UsageError(
      `--endpoint must be the URL of a namespace's topic, such as https://host/topics/orders: got '${endpoint}'.`,
    )
  if (accessKey === undefined)
    throw new UsageError('--endpoint needs --access-key, a key of the namespace or the topic.')
  const [, path = '', topic = ''] = parts
  return {
    client: await connectTo(url.origin, found),
    path,
    key: accessKey,
    topic: decodeURIComponent(topic),
  }
}
