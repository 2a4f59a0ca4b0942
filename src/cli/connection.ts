import type { Command } from 'commander'
import { OperatorError } from '../base/operator-error.ts'
import { clientVariables, readOptions } from '../config.ts'
import { readRun } from '../data-directory.ts'
import { type Client, createClient } from './client.ts'
import { flagValues, settingOption } from './commands/command.ts'
import { UsageError } from './usage-error.ts'

/*
 * Which server a command talks to, and as whom: the same options for every command that is a client.
 */

/** What commander found of the options below. */
export type Found = Readonly<Record<string, string | boolean | readonly string[] | undefined>>

/** Adds the options by which `connect` finds the server. */
export function addConnectionOptions(command: Command): Command {
  const { url, key, ca } = clientVariables
  return command
    .helpOption('-h, --help', 'print this help')
    .option(
      '--url <URL>',
      `base of the server (default: the one that runs on the data directory, env: ${url})`,
    )
    .option(
      '--key <KEY>',
      `an administrator's key or a token; not needed in development mode (default: on the server's own data ` +
        `directory the configuration's first administrator, env: ${key})`,
    )
    .option(
      '--ca <FILE>',
      `authority that signed the server's certificate (default: the data directory's, env: ${ca})`,
    )
    .addOption(settingOption('dataDir'))
    .addOption(settingOption('config'))
}

/** A client for the server that the options mean. Throws an `OperatorError` when none runs there. */
export async function connect(found: Found): Promise<Client> {
  const { base, key, caFile, dataDir } = await readConnection(found)
  if (base === undefined)
    throw new OperatorError(`No server runs on ${dataDir}: "busbar start" starts one, --url names another.`)
  return createClient({ base, key, caFile })
}

/** A client for an origin that is named in some other way; it sends no key. */
export async function connectTo(origin: string, found: Found): Promise<Client> {
  const { caFile } = await readConnection(found)
  return createClient({ base: origin, key: undefined, caFile })
}

/** Where devices speak MQTT over TLS to the server that the options mean, and the authority that they trust. */
export interface DeviceListener {
  /** As in a connection string: without the port that is MQTT's own. */
  readonly gateway: string
  readonly url: string
  readonly caFile: string | undefined
}

/** @param given `--gateway`; where it is not given, the running server says, or `--url` and MQTT's own port */
export async function deviceListener(found: Found, given: string | undefined): Promise<DeviceListener> {
  const { run, url, dataDir, caFile } = await readConnection(found)
  const place = given ?? (url === undefined ? run?.mqtts?.replace('mqtts://', '') : new URL(url).hostname)
  if (place === undefined)
    throw new OperatorError(
      `The server on ${dataDir} listens for no MQTT over TLS: start it with --mqtts-port, or say where devices connect with --gateway.`,
    )
  const at = URL.parse(`mqtts://${place}`)
  if (!at || at.hostname === '' || at.pathname !== '')
    throw new UsageError(`--gateway must be HOST or HOST:PORT: got '${place}'.`)
  // Clients check the name in the certificate, and some know no addresses.
  const host = at.hostname === '127.0.0.1' ? 'localhost' : at.hostname
  const port = at.port === '' ? mqttsPort : at.port
  return {
    gateway: port === mqttsPort ? host : `${host}:${port}`,
    url: `mqtts://${host}:${port}`,
    caFile,
  }
}

const mqttsPort = '8883'
const amqpsPort = 5671

/** Where the server that the options mean speaks AMQP over TLS. @param given `--gateway` */
export async function amqpListener(
  found: Found,
  given: string | undefined,
): Promise<{ readonly host: string; readonly port: number; readonly caFile: string | undefined }> {
  const { run, url, dataDir, caFile } = await readConnection(found)
  const place = given ?? (url === undefined ? run?.amqps?.replace('amqps://', '') : new URL(url).hostname)
  if (place === undefined)
    throw new OperatorError(
      `The server on ${dataDir} listens for no AMQP: start it with --amqps-port, or say where with --gateway.`,
    )
  const at = URL.parse(`amqps://${place}`)
  if (!at || at.hostname === '' || at.pathname !== '')
    throw new UsageError(`--gateway must be HOST or HOST:PORT: got '${place}'.`)
  // The certificate is checked by name.
  const host = at.hostname === '127.0.0.1' ? 'localhost' : at.hostname
  return { host, port: at.port === '' ? amqpsPort : Number(at.port), caFile }
}

async function readConnection(found: Found) {
  const given = (name: keyof typeof clientVariables): string | undefined =>
    text(found[name]) ?? (process.env[clientVariables[name]] || undefined)
  const flags = flagValues({ dataDir: text(found.dataDir), config: text(found.config) })
  const { dataDir, auth } = await readOptions({ flags, env: process.env })
  const run = readRun(dataDir)
  const url = given('url')
  if (url !== undefined && !/^https?:$/.test(URL.parse(url)?.protocol ?? ''))
    throw new UsageError(`--url must be an http:// or https:// URL: got '${url}'.`)
  return {
    ...{ dataDir, run, url },
    base: url ?? run?.http ?? run?.https,
    // The key of this machine's configuration is for the server of this machine alone.
    key: given('key') ?? (url === undefined ? auth?.administrators[0]?.key : undefined),
    caFile: given('ca') ?? run?.caFile,
  }
}

const text = (value: Found[string]): string | undefined => (typeof value === 'string' ? value : undefined)

/** Connects, does it, and lets go of the connection, however it ends. */
export async function withClient(found: Found, act: (client: Client) => Promise<void>): Promise<void> {
  const client = await connect(found)
  try {
    await act(client)
  } finally {
    client.close()
  }
}

/** A line for people, apart from the answer, which goes to stdout. */
export const note = (line: string): void => void process.stderr.write(`busbar: ${line}\n`)

/** A group of commands, such as `busbar topic`; called without one it prints its help and fails. */
export function addGroup(program: Command, name: string, description: string): Command {
  return program
    .command(name)
    .description(description)
    .helpOption('-h, --help', 'print this help')
    .helpCommand(false)
}
