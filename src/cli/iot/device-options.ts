import { Argument, type Command } from 'commander'
import { addConnectionOptions, type Found } from '../connection.ts'
import { nameOf } from '../found.ts'
import { UsageError } from '../usage-error.ts'

/** Adds the options by which a command finds its hub. */
export const addHubOptions = (command: Command): Command =>
  addConnectionOptions(command)
    .option('--hub <NAME>', 'IoT hub (default: the only one)')
    .option('-g, --resource-group <GROUP>', 'resource group of the hub (default: wherever it is)')

/** A command about one device. */
export function addDeviceCommand(group: Command, name: string, about: string, isDefault = false): Command {
  return addHubOptions(group.command(name, { isDefault }))
    .description(about)
    .addArgument(new Argument('[id]', "the device's id"))
    .option('-n, --name <ID>', 'the same, as an option')
}

/** The id, and its path below `devices` or `twins`. */
export function deviceOf(
  argument: string | undefined,
  found: Found,
): { readonly deviceId: string; readonly path: string } {
  const deviceId = nameOf(argument, found)
  return { deviceId, path: encodeURIComponent(deviceId) }
}

/** @param option for the message */
export function decodeJsonText(text: string, option: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new UsageError(`${option} must be JSON: got '${text.slice(0, 100)}' (${(error as Error).message}).`)
  }
}
