import type { Command } from 'commander'
import { OperatorError } from '../base/operator-error.ts'
import { clientVariables, readOptions } from '../config.ts'
import { readRun } from '../data-directory.ts'
import { type Client, createClient } from './client.ts'
import { flagValues, settingOption } from './commands/command.ts'

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
  const given = (name: keyof typeof clientVariables): string | undefined =>
    text(found[name]) ?? (process.env[clientVariables[name]] || undefined)
  const { dataDir, config } = found
  const flags = flagValues({ dataDir: text(dataDir), config: text(config) })
  const { dataDir: directory, auth } = await readOptions({ flags, env: process.env })
  const run = readRun(directory)
  const url = given('url')
  const base = url ?? run?.http ?? run?.https
  if (base === undefined)
    throw new OperatorError(`No server runs on ${directory}: start one, or say where it is with --url.`)
  if (!/^https?:\/\/[^/]/i.test(base) || URL.parse(base) === null)
    throw new OperatorError(`--url must be an http:// or https:// URL: got '${base}'.`)
  // The key of this machine's configuration is for the server of this machine alone.
  const key = given('key') ?? (url === undefined ? auth?.administrators[0]?.key : undefined)
  return createClient({ base, key, caFile: given('ca') ?? run?.caFile })
}

const text = (value: Found[string]): string | undefined => (typeof value === 'string' ? value : undefined)
