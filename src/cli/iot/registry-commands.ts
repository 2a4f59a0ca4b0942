import { type Command, Option } from 'commander'
import type { Json } from '../client.ts'
import { deviceListener, type Found, note } from '../connection.ts'
import { integer, listOf, numberOf, oneOf, textOf } from '../found.ts'
import { json, pairs, plainLine, table } from '../table.ts'
import { UsageError } from '../usage-error.ts'
import { addDeviceCommand, addHubOptions, deviceOf } from './device-options.ts'
import { type HubClient, withHub } from './hub-client.ts'
import { hubsPath } from './hubs.ts'
import { queryHub } from './query.ts'

/* `busbar device create`, `list`, `show`, `delete` and `connection-string`. */

/** A device is registered only if the name is free. */
export function addRegistryCommands(group: Command): void {
  addDeviceCommand(group, 'create', 'Register a device; without options its keys are made up.')
    .option('--keys <KEY...>', 'its primary and secondary key, in base64')
    .option('--thumbprint <SHA...>', 'it shows a certificate of this SHA-1 or SHA-256, or of the second one')
    .option('--edge', 'it is an IoT Edge device')
    .option('--disabled', 'it may not connect yet')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample: busbar device create dev1')
    .action((argument: string | undefined, found: Found) =>
      withHub(found, async (hub) => {
        const { deviceId, path } = deviceOf(argument, found)
        const made = await hub.request('RegistryWrite', 'PUT', `/devices/${path}`, {
          body: {
            deviceId,
            status: found.disabled === true ? 'disabled' : 'enabled',
            authentication: authenticationOf(found),
            capabilities: { iotEdge: found.edge === true },
          },
        })
        print(found, made)
      }),
    )

  addHubOptions(group.command('list'))
    .description('List the devices of a hub.')
    .addOption(new Option('--top <N>', 'at most so many').argParser(integer(1, 1_000_000_000)))
    .option('--json', 'print JSON: their twins')
    .action((found: Found) =>
      withHub(found, async (hub) => {
        const twins: Json[] = []
        for await (const twin of queryHub(hub, 'SELECT * FROM devices', numberOf(found, 'top')))
          twins.push(twin)
        process.stdout.write(
          found.json === true
            ? json(twins)
            : table(
                ['DEVICE', 'STATUS', 'STATE', 'AUTHENTICATION', 'EDGE', 'LAST ACTIVITY'],
                twins.map(
                  ({ deviceId, status, connectionState, authenticationType, capabilities, ...twin }) => [
                    ...[deviceId, status, connectionState, authenticationType],
                    ...[capabilities?.iotEdge === true ? 'yes' : 'no', everOf(twin.lastActivityTime)],
                  ],
                ),
              ),
        )
      }),
    )

  addDeviceCommand(group, 'show', 'Show a device as it is registered, with its keys.')
    .option('--json', 'print JSON')
    .action((argument: string | undefined, found: Found) =>
      withHub(found, async (hub) =>
        print(found, await hub.request('RegistryRead', 'GET', `/devices/${deviceOf(argument, found).path}`)),
      ),
    )

  addDeviceCommand(group, 'delete', 'Delete a device with its modules; its connection ends.')
    .option('--json', 'print JSON')
    .action((argument: string | undefined, found: Found) =>
      withHub(found, async (hub) => {
        const { deviceId, path } = deviceOf(argument, found)
        await hub.request('RegistryWrite', 'DELETE', `/devices/${path}`, { headers: { 'If-Match': '*' } })
        process.stdout.write(
          found.json === true ? json({ deleted: deviceId }) : plainLine(`deleted device ${deviceId}`),
        )
      }),
    )

  addDeviceCommand(
    group,
    'connection-string',
    'Print the connection string of a device: with it the official clients come to this server.',
  )
    .addOption(
      new Option('--key-type <TYPE>', 'primary or secondary')
        .argParser(oneOf(['primary', 'secondary']))
        .default('primary'),
    )
    .option(
      '--gateway <HOST[:PORT]>',
      'where devices connect over MQTT with TLS (default: the listener of the running server)',
    )
    .option('--no-gateway', "Azure's own form: the name of the hub leads here by other means")
    .option('--json', 'print JSON')
    .addHelpText('after', '\nWhat each client needs beside it: docs/iot-clients.md')
    .action((argument: string | undefined, found: Found) =>
      withHub(found, async (hub) => {
        const { path } = deviceOf(argument, found)
        const shown = await hub.request('RegistryRead', 'GET', `/devices/${path}`)
        const connectionString = await connectionStringOf(hub, shown, found)
        process.stdout.write(found.json === true ? json({ connectionString }) : plainLine(connectionString))
      }),
    )
}

function authenticationOf(found: Found): Json {
  const [keys, thumbprints] = [listOf(found, 'keys'), listOf(found, 'thumbprint')]
  if (keys !== undefined && thumbprints !== undefined)
    throw new UsageError('--keys and --thumbprint exclude each other: a device has keys, or a certificate.')
  for (const [option, values] of [
    ['--keys', keys],
    ['--thumbprint', thumbprints],
  ] as const)
    if (values !== undefined && values.length > 2)
      throw new UsageError(`${option} takes one or two values: got ${values.length}.`)
  if (thumbprints !== undefined)
    return {
      type: 'selfSigned',
      x509Thumbprint: { primaryThumbprint: thumbprints[0], secondaryThumbprint: thumbprints[1] ?? null },
    }
  return {
    type: 'sas',
    symmetricKey: { primaryKey: keys?.[0] ?? '', secondaryKey: keys?.[1] ?? '' },
  }
}

/** `undefined` in the place of a moment that never was. */
const everOf = (moment: string | undefined) =>
  moment === undefined || moment.startsWith('0001-') ? 'never' : moment

async function connectionStringOf(hub: HubClient, device: Json, found: Found): Promise<string> {
  const { deviceId, authentication } = device
  const { type, symmetricKey } = authentication
  if (type === 'none')
    throw new UsageError(`The device '${deviceId}' has neither a key nor a certificate: it cannot connect.`)
  const secret =
    type === 'sas'
      ? `SharedAccessKey=${symmetricKey[textOf(found, 'keyType') === 'secondary' ? 'secondaryKey' : 'primaryKey']}`
      : 'x509=true'
  const ofAzure = `HostName=${hub.hostName};DeviceId=${deviceId};${secret}`
  if (found.gateway === false) return ofAzure
  const { gateway } = await deviceListener(found, textOf(found, 'gateway'))
  if (type === 'sas') return `${ofAzure};GatewayHostName=${gateway}`
  // The official clients pass over a gateway where a certificate says who they are.
  const hubs = await hub.arm.list(hubsPath())
  if (hubs.length === 1) return `HostName=${gateway};DeviceId=${deviceId};${secret}`
  note(
    `there are several hubs: a line of the hosts file must lead ${hub.hostName} here, and the port must be 8883.`,
  )
  return ofAzure
}

function print(found: Found, device: Json): void {
  if (found.json === true) {
    process.stdout.write(json(device))
    return
  }
  const { authentication, capabilities } = device
  const { primaryKey, secondaryKey } = authentication.symmetricKey ?? {}
  const { primaryThumbprint, secondaryThumbprint } = authentication.x509Thumbprint ?? {}
  process.stdout.write(
    pairs({
      device: device.deviceId,
      status: device.status,
      reason: device.statusReason ?? undefined,
      state: device.connectionState,
      'last activity': everOf(device.lastActivityTime),
      authentication: authentication.type,
      'primary key': primaryKey ?? undefined,
      'secondary key': secondaryKey ?? undefined,
      'primary thumbprint': primaryThumbprint ?? undefined,
      'secondary thumbprint': secondaryThumbprint ?? undefined,
      edge: capabilities?.iotEdge === true ? 'yes' : 'no',
      scope: device.deviceScope,
    }),
  )
}
