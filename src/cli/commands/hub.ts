import { Argument, Option } from 'commander'
import { explainMissingGroup, groupForNew } from '../azure.ts'
import { type Json, Refused } from '../client.ts'
import { addConnectionOptions, addGroup, type Found, note, withClient } from '../connection.ts'
import { assignments, integer, listOf, nameOf, numberOf, oneOf, textOf } from '../found.ts'
import { createHubClient, type HubClient } from '../iot/hub-client.ts'
import { findHub, findNamedHub, groupOfHub, hubId, hubPath, hubsPath, listPolicies } from '../iot/hubs.ts'
import { addMonitorEvents } from '../iot/monitor-events.ts'
import { json, pairs, plainLine, table } from '../table.ts'
import { UsageError } from '../usage-error.ts'
import type { AddCommand } from './command.ts'

const skus = ['F1', 'B1', 'B2', 'B3', 'S1', 'S2', 'S3']

/** IoT hubs as resources; their devices are those of `busbar device`. */
export const hub: AddCommand = (program) => {
  const group = addGroup(
    program,
    'hub',
    'IoT hubs: create, list, show, delete, connection-string, monitor-events.',
  )
  const add = (name: string, about: string, { named = true } = {}) => {
    const command = addConnectionOptions(group.command(name)).description(about)
    if (named)
      command
        .addArgument(new Argument('[name]', "the hub's name"))
        .option('-n, --name <NAME>', 'the same, as an option')
    return command.option('-g, --resource-group <GROUP>', 'resource group (default: wherever the hub is)')
  }

  add('create', 'Make an IoT hub.')
    .option('-l, --location <REGION>', 'Azure region', 'westus2')
    .addOption(new Option('--sku <SKU>', skus.join(', ')).argParser(oneOf(skus)).default('S1'))
    .addOption(new Option('--unit <N>', 'units of the SKU').argParser(integer(1, 200)).default(1))
    .addOption(
      new Option('--partition-count <N>', 'partitions of its built-in endpoint').argParser(integer(2, 128)),
    )
    .addOption(
      new Option('--retention-day <N>', 'days for which its built-in endpoint keeps messages').argParser(
        integer(1, 7),
      ),
    )
    .option('--disable-local-auth', 'refuse shared access signatures of policies')
    .option('--tags <NAME=VALUE...>', 'tags')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nWithout -g the only resource group is taken; where there is none, one named "default" is made.\n' +
        'Example: busbar hub create contoso',
    )
    .action((argument: string | undefined, found: Found) =>
      withClient(found, async (client) => {
        const name = nameOf(argument, found)
        const there = (await client.list(hubsPath())).find(
          (one) => String(one.name).toLowerCase() === name.toLowerCase(),
        )
        // A whole new body would take from a hub what only other clients have set.
        if (there)
          throw new Refused(
            409,
            'IotHubNameAlreadyExists',
            `There is an IoT hub '${there.name}' already, in the resource group '${groupOfHub(there)}'.`,
          )
        const location = textOf(found, 'location') as string
        const into = await groupForNew(client, textOf(found, 'resourceGroup'), location, note)
        const made = await client
          .change('PUT', hubPath(hubId(into, name)), {
            location,
            sku: { name: textOf(found, 'sku'), capacity: numberOf(found, 'unit') },
            tags: assignments(listOf(found, 'tags'), '--tags'),
            properties: {
              eventHubEndpoints: endpointsOf(found),
              disableLocalAuth: found.disableLocalAuth === true ? true : undefined,
            },
          })
          .catch((error: unknown) => {
            throw explainMissingGroup(error, into)
          })
        print(found, made)
      }),
    )

  add('list', 'List IoT hubs.', { named: false })
    .option('--json', 'print JSON')
    .action((found: Found) =>
      withClient(found, async (client) => {
        const list = await client.list(hubsPath(textOf(found, 'resourceGroup')))
        process.stdout.write(
          found.json === true
            ? json(list)
            : table(
                ['NAME', 'GROUP', 'LOCATION', 'SKU', 'STATE', 'HOST'],
                list.map((one) => [
                  ...[one.name, groupOfHub(one), one.location, one.sku?.name ?? ''],
                  ...[one.properties.provisioningState, one.properties.hostName],
                ]),
              ),
        )
      }),
    )

  add('show', 'Show an IoT hub, and how many devices it has; without a name the only one.')
    .option('--json', 'print JSON')
    .action((argument: string | undefined, found: Found) =>
      withClient(found, async (client) => {
        const shown = await findNamedHub(client, argument, found)
        print(found, shown, found.json === true ? {} : await countsOf(createHubClient(client, shown)))
      }),
    )

  add('delete', 'Delete an IoT hub with its devices.')
    .option('--json', 'print JSON')
    .action((argument: string | undefined, found: Found) =>
      withClient(found, async (client) => {
        const { id, name } = await findHub(client, nameOf(argument, found), textOf(found, 'resourceGroup'))
        await client.change('DELETE', hubPath(id as string))
        process.stdout.write(found.json === true ? json({ deleted: id }) : plainLine(`deleted hub ${name}`))
      }),
    )

  add(
    'connection-string',
    'Print the connection string by which services call a hub; without a name the only one.',
  )
    .option('--policy <NAME>', 'shared access policy', 'iothubowner')
    .addOption(
      new Option('--key-type <TYPE>', 'primary or secondary')
        .argParser(oneOf(['primary', 'secondary']))
        .default('primary'),
    )
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nThe official service clients call port 443 of the host that it names: docs/iot-clients.md',
    )
    .action((argument: string | undefined, found: Found) =>
      withClient(found, async (client) => {
        const { id, name, properties } = await findNamedHub(client, argument, found)
        const policies = await listPolicies(client, id as string)
        const wanted = textOf(found, 'policy') as string
        const policy = policies.find(({ keyName }) => keyName.toLowerCase() === wanted.toLowerCase())
        if (!policy)
          throw new UsageError(
            `The IoT hub '${name}' has no policy '${wanted}': it has ${policies.map(({ keyName }) => keyName).join(', ')}.`,
          )
        const key = policy[textOf(found, 'keyType') === 'secondary' ? 'secondaryKey' : 'primaryKey']
        const connectionString = `HostName=${properties.hostName};SharedAccessKeyName=${policy.keyName};SharedAccessKey=${key}`
        process.stdout.write(found.json === true ? json({ connectionString }) : plainLine(connectionString))
      }),
    )

  addMonitorEvents(group)
}

function endpointsOf(found: Found): Json {
  const [partitionCount, retentionTimeInDays] = [
    numberOf(found, 'partitionCount'),
    numberOf(found, 'retentionDay'),
  ]
  if (partitionCount === undefined && retentionTimeInDays === undefined) return undefined
  return { events: { retentionTimeInDays: retentionTimeInDays ?? 1, partitionCount: partitionCount ?? 4 } }
}

/** For those who may know a policy's key; nothing for others. */
async function countsOf(client: HubClient): Promise<Readonly<Record<string, string>>> {
  try {
    const [devices, service] = await Promise.all([
      client.request('RegistryRead', 'GET', '/statistics/devices'),
      client.request('ServiceConnect', 'GET', '/statistics/service'),
    ])
    const { totalDeviceCount: all, disabledDeviceCount: disabled } = devices
    return {
      devices: `${all}${disabled > 0 ? `, ${disabled} of them disabled` : ''}`,
      connected: String(service.connectedDeviceCount),
    }
  } catch (error) {
    if (error instanceof Refused && [401, 403].includes(error.status)) return {}
    throw error
  }
}

function print(found: Found, resource: Json, more: Readonly<Record<string, string>> = {}): void {
  const { id, name, location, sku, tags, properties } = resource
  process.stdout.write(
    found.json === true
      ? json(resource)
      : pairs({
          name,
          group: groupOfHub(resource),
          location,
          sku: `${sku?.name ?? ''}, ${sku?.capacity ?? 1} ${sku?.capacity > 1 ? 'units' : 'unit'}`,
          state: properties.provisioningState,
          host: properties.hostName,
          ...more,
          tags: Object.entries((tags ?? {}) as Record<string, string>)
            .map(([tag, value]) => `${tag}=${value}`)
            .join(' '),
          id,
        }),
  )
}
