import { groupPath, listGroups } from '../azure.ts'
import type { Json } from '../client.ts'
import { addConnectionOptions, addGroup, type Found, withClient } from '../connection.ts'
import { nameOf, textOf } from '../found.ts'
import { json, table } from '../table.ts'
import type { AddCommand } from './command.ts'

export const group: AddCommand = (program) => {
  const commands = addGroup(program, 'group', 'Resource groups: create, list, delete.')
  const add = (name: string, about: string) =>
    addConnectionOptions(commands.command(name)).description(about).option('--json', 'print JSON')
  const print = (found: Found, groups: readonly Json[]) =>
    process.stdout.write(
      found.json === true
        ? json(groups)
        : table(
            ['NAME', 'LOCATION', 'STATE'],
            groups.map(({ name, location, properties }) => [name, location, properties.provisioningState]),
          ),
    )

  add('create', 'Make a resource group.')
    .argument('[name]', "the group's name")
    .option('-n, --name <NAME>', 'the same, as an option')
    .option('-l, --location <REGION>', 'Azure region', 'westus2')
    .action((argument: string | undefined, found: Found) =>
      withClient(found, async (client) => {
        const path = groupPath(nameOf(argument, found))
        print(found, [await client.change('PUT', path, { location: textOf(found, 'location') })])
      }),
    )
  add('list', 'List resource groups.').action((found: Found) =>
    withClient(found, async (client) => void print(found, await listGroups(client))),
  )
  add('delete', 'Delete a resource group and everything in it.')
    .argument('[name]', "the group's name")
    .option('-n, --name <NAME>', 'the same, as an option')
    .action((argument: string | undefined, found: Found) =>
      withClient(found, async (client) => {
        const name = nameOf(argument, found)
        await client.change('DELETE', groupPath(name))
        process.stdout.write(found.json === true ? json({ deleted: name }) : `deleted group ${name}\n`)
      }),
    )
}
