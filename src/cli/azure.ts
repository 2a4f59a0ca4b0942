import { type Client, type Json, Refused } from './client.ts'
import { UsageError } from './usage-error.ts'

/*
 * The control plane's ids, as the commands need them, and how a name that the user gave becomes a resource.
 */

/** The subscription that every server has. */
export const subscription = '/subscriptions/00000000-0000-0000-0000-000000000000'
export const apiVersion = '2025-02-15'
const groupVersion = '2021-04-01'

/** Made when there is no resource group at all, so that a first topic needs no other command. */
export const defaultGroup = 'default'

/** A kind of resource that takes events and has keys. */
export interface Kind {
  /** In messages and as a command. */
  readonly word: 'topic' | 'domain'
  /** In ids. */
  readonly plural: 'topics' | 'domains'
}

/** In ids: what events come through, and so what event subscriptions stand on. */
export const sourceTypes = ['topics', 'domains', 'systemTopics', 'partnerTopics'] as const

export const topicKind: Kind = { word: 'topic', plural: 'topics' }
export const domainKind: Kind = { word: 'domain', plural: 'domains' }

export const versioned = (path: string, query: Readonly<Record<string, string>> = {}): string =>
  `${path}?${new URLSearchParams({ 'api-version': apiVersion, ...query }).toString()}`

export const groupPath = (name: string): string =>
  `${subscription}/resourceGroups/${encodeURIComponent(name)}?api-version=${groupVersion}`

const groupsPath = `${subscription}/resourceGroups?api-version=${groupVersion}`

export const listGroups = (client: Client): Promise<readonly Json[]> => client.list(groupsPath)

export const resourceId = (group: string, { plural }: Kind, name: string): string =>
  `${subscription}/resourceGroups/${encodeURIComponent(group)}/providers/Microsoft.EventGrid/${plural}/${encodeURIComponent(name)}`

/** The group in an ARM id. */
export const groupOf = (id: string): string =>
  decodeURIComponent(/\/resourceGroups\/([^/]+)/i.exec(id)?.[1] ?? '')

/** What `--mqtt-anonymous` makes for itself. */
const developmentGroup = 'dev'

/**
 * The group in which a new resource is made: the one given, or the only one there is, apart from the one that the
 * server has made for itself; where there is none, `default` is made.
 */
export async function groupForNew(
  client: Client,
  given: string | undefined,
  location: string,
  note: (line: string) => void,
): Promise<string> {
  if (given !== undefined) return given
  const names = (await listGroups(client)).map(({ name }) => name as string)
  const made = names.filter((name) => name !== developmentGroup)
  const [only, ...others] = made.length > 0 ? made : names
  if (only === undefined) {
    await client.change('PUT', groupPath(defaultGroup), { location })
    note(`made resource group '${defaultGroup}'`)
    return defaultGroup
  }
  if (others.length === 0) return only
  throw new UsageError(`Say which resource group with -g: ${shown(names)}.`)
}

/** The resource of that name. Without a group it is looked for in all of them. */
export async function findResource(
  client: Client,
  kind: Kind,
  name: string,
  group: string | undefined,
): Promise<Json> {
  if (group !== undefined) return client.request('GET', versioned(resourceId(group, kind, name)))
  const found = await client.list(
    versioned(listPath(kind, undefined), { $filter: `name eq '${name.replaceAll("'", "''")}'` }),
  )
  if (found.length === 1) return found[0]
  if (found.length > 1)
    throw new UsageError(
      `There is a ${kind.word} '${name}' in more than one resource group, say which with -g: ` +
        `${shown(found.map(({ id }) => groupOf(id as string)))}.`,
    )
  throw new Refused(
    404,
    'ResourceNotFound',
    `There is no ${kind.word} '${name}': "busbar ${kind.word} list" shows those there are, ` +
      `"busbar ${kind.word} create ${name}" makes it.`,
  )
}

export const listPath = ({ plural }: { readonly plural: string }, group: string | undefined): string =>
  `${subscription}${group === undefined ? '' : `/resourceGroups/${encodeURIComponent(group)}`}/providers/Microsoft.EventGrid/${plural}`

/** A refusal that says which command helps, where the group is not there. */
export function explainMissingGroup(error: unknown, group: string): unknown {
  return error instanceof Refused && error.code === 'ResourceGroupNotFound'
    ? new Refused(
        error.status,
        error.code,
        `There is no resource group '${group}': make it with "busbar group create ${group}".`,
      )
    : error
}

const shownNames = 10
const shown = (names: readonly string[]) =>
  names.slice(0, shownNames).join(', ') + (names.length > shownNames ? ', ...' : '')
