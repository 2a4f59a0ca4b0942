import { readFileSync } from 'node:fs'
import { type Command, Option } from 'commander'
import { OperatorError } from '../../base/operator-error.ts'
import { clientVariables, readOptions } from '../../config.ts'
import { readRun } from '../../data-directory.ts'
import { flagValues, settingOption } from '../commands/command.ts'
import type { Found } from '../connection.ts'
import { integer, numberOf, oneOf, textOf } from '../found.ts'
import { UsageError } from '../usage-error.ts'
import type { MqttClientOptions } from './mqtt-client.ts'

/*
 * Which broker a command speaks MQTT to, and as which client: the same options for all that do.
 */

const versions = { '5': 5, '3.1.1': 4 } as const

export function addBrokerOptions(command: Command): Command {
  return command
    .helpOption('-h, --help', 'print this help')
    .option(
      '--broker <URL>',
      'mqtt://, mqtts://, ws:// or wss:// (default: the server on the data directory)',
    )
    .addOption(
      new Option('--mqtt-version <VERSION>', '5 or 3.1.1')
        .argParser(oneOf(Object.keys(versions)))
        .default('5'),
    )
    .option('--id <ID>', 'client identifier (default: the broker assigns one)')
    .option('--username <NAME>', 'user name: the authentication name of a client')
    .option('--password-file <FILE>', 'file with the password; - is stdin')
    .option('--cert <FILE>', 'PEM of the certificate of the client, with its chain')
    .option('--cert-key <FILE>', 'PEM of its private key')
    .option('--authentication-method <NAME>', 'OAUTH2-JWT or CUSTOM-JWT, in MQTT 5')
    .option('--authentication-data-file <FILE>', 'file with its token; - is stdin')
    .option('--ca <FILE>', `authority to trust (default: the data directory's, env: ${clientVariables.ca})`)
    .addOption(
      new Option('--keep-alive <SECONDS>', 'between two signs of life')
        .argParser(integer(0, 65_535))
        .default(60),
    )
    .addOption(settingOption('dataDir'))
    .addOption(settingOption('config'))
}

export async function readBrokerOptions(found: Found): Promise<MqttClientOptions> {
  const flags = flagValues({ dataDir: textOf(found, 'dataDir'), config: textOf(found, 'config') })
  const { dataDir } = await readOptions({ flags, env: process.env })
  const run = readRun(dataDir)
  const given = textOf(found, 'broker')
  const url = given ?? run?.mqtt ?? run?.mqtts
  if (url === undefined)
    throw new OperatorError(
      run === undefined
        ? `No server runs on ${dataDir}: "busbar start" starts one, --broker names another broker.`
        : `The server on ${dataDir} listens for no MQTT: start it with --mqtt-port or --mqtts-port.`,
    )
  if (!/^(mqtts?|wss?):$/.test(URL.parse(url)?.protocol ?? ''))
    throw new UsageError(`--broker must be an mqtt://, mqtts://, ws:// or wss:// URL: got '${url}'.`)
  const [cert, certKey] = [textOf(found, 'cert'), textOf(found, 'certKey')]
  if ((cert === undefined) !== (certKey === undefined))
    throw new UsageError('--cert and --cert-key go together: one of them is missing.')
  const protocolVersion = versions[textOf(found, 'mqttVersion') as keyof typeof versions]
  const method = textOf(found, 'authenticationMethod')
  if (method !== undefined && protocolVersion !== 5)
    throw new UsageError('--authentication-method needs MQTT 5: 3.1.1 has no such thing.')
  return {
    url,
    protocolVersion,
    clientId: textOf(found, 'id') ?? '',
    keepAliveSeconds: numberOf(found, 'keepAlive') ?? 60,
    userName: textOf(found, 'username'),
    password: secretIn(textOf(found, 'passwordFile'))?.toString(),
    authenticationMethod: method,
    authenticationData: secretIn(textOf(found, 'authenticationDataFile')),
    certFile: cert,
    keyFile: certKey,
    caFile: textOf(found, 'ca') ?? (process.env[clientVariables.ca] || undefined) ?? run?.caFile,
  }
}

/** Without the line end that editors add. */
function secretIn(file: string | undefined): Buffer | undefined {
  if (file === undefined) return undefined
  try {
    return Buffer.from(readFileSync(file === '-' ? 0 : file, 'utf8').replace(/\r?\n$/, ''))
  } catch (error) {
    throw new OperatorError(`${file} cannot be read: ${(error as Error).message}`, error)
  }
}
