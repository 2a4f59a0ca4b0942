import { groupOf, subscription } from '../azure.ts'
import { type Client, type Json, Refused } from '../client.ts'
import type { Found } from '../connection.ts'
import { nameOf, textOf } from '../found.ts'
import { UsageError } from '../usage-error.ts'

/*
 * IoT hubs as resources: their ids, and how the name that the user gave, or left out, becomes one of them.
 */

const apiVersion = '2023-06-30'

export const hubPath = (id: string): string => `${id}?api-version=${apiVersion}`

export const hubsPath = (group?: string): string =>
  hubPath(
    `${subscription}${group === undefined ? '' : `/resourceGroups/${encodeURIComponent(group)}`}/providers/Microsoft.Devices/IotHubs`,
  )

export const hubId = (group: string, name: string): string =>
  `${subscription}/resourceGroups/${encodeURIComponent(group)}/providers/Microsoft.Devices/IotHubs/${encodeURIComponent(name)}`

/**
 * The hub of that name; without a name the only one there is.
 *
 * @param howToName for who must name one: `--hub`, or the argument of commands about hubs
 */
export async function findHub(
  client: Client,
  name: string | undefined,
  group: string | undefined,
  howToName = 'say which with --hub',
): Promise<Json> {
  const all = await client.list(hubsPath(group))
  if (name === undefined) {
    const [only, ...others] = all
    if (only === undefined)
      throw new Refused(404, 'ResourceNotFound', 'There is no IoT hub: "busbar hub create NAME" makes one.')
    if (others.length === 0) return only
    throw new UsageError(`There are several IoT hubs, ${howToName}: ${shown(all)}.`)
  }
  // No two hubs have one name, whatever their groups.
  const found = all.find((hub) => String(hub.name).toLowerCase() === name.toLowerCase())
  if (found) return found
  const where = group === undefined ? '' : ` in the resource group '${group}'`
  const others = all.length === 0 ? `"busbar hub create ${name}" makes it` : `there are ${shown(all)}`
  throw new Refused(404, 'ResourceNotFound', `There is no IoT hub '${name}'${where}: ${others}.`)
}

const shownNames = 10

const shown = (hubs: readonly Json[]): string =>
  hubs
    .slice(0, shownNames)
    .map(({ name }) => name as string)
    .join(', ') + (hubs.length > shownNames ? ', ...' : '')

/** A shared access policy with its keys, as `listkeys` answers. */
export interface Policy {
  readonly keyName: string
  readonly primaryKey: string
  readonly secondaryKey: string
  /** Such as `RegistryWrite, ServiceConnect`. */
  readonly rights: string
}

export const listPolicies = async (client: Client, id: string): Promise<readonly Policy[]> =>
  (await client.request('POST', hubPath(`${id}/listkeys`))).value

/** For a command about hubs, whose argument, or `--name`, is the hub's name. */
export const findNamedHub = (client: Client, argument: string | undefined, found: Found): Promise<Json> =>
  findHub(
    client,
    argument === undefined && textOf(found, 'name') === undefined ? undefined : nameOf(argument, found),
    textOf(found, 'resourceGroup'),
    'name one of them',
  )

export const groupOfHub = ({ id }: Json): string => groupOf(id as string)
