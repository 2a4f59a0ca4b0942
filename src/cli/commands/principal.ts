import { newGuid } from '../../base/ids.ts'
import { OperatorError } from '../../base/operator-error.ts'
import { subscription } from '../azure.ts'
import type { Client, Json } from '../client.ts'
import { addConnectionOptions, addGroup, type Found, note, withClient } from '../connection.ts'
import { nameOf, textOf } from '../found.ts'
import { json, pairs, table } from '../table.ts'
import { UsageError } from '../usage-error.ts'
import type { AddCommand } from './command.ts'

const authorizationVersion = '2022-04-01'

/** Applications that sign in at the server: made, listed and deleted while it runs. */
export const principal: AddCommand = (program) => {
  const group = addGroup(program, 'principal', 'Principals that sign in with a secret: create, list, delete.')
  const add = (name: string, about: string) =>
    addConnectionOptions(group.command(name)).description(about).option('--json', 'print JSON')

  add('create', 'Make a principal, and print the secret that it signs in with: it is not shown again.')
    .argument('[name]', "the principal's name")
    .option('-n, --name <NAME>', 'the same, as an option')
    .option('--role <NAME|GUID>', 'role to assign to it, such as Contributor or "EventGrid Data Sender"')
    .option('--scope <ID>', `ARM id where the role counts (default with --role: ${subscription})`)
    .addHelpText(
      'after',
      '\nExample: busbar principal create shop --role "EventGrid Data Sender"\nSign in with it: docs/entra-tokens.md, docs/azure-cli.md',
    )
    .action((argument: string | undefined, found: Found) =>
      withClient(found, async (client) => {
        const role = textOf(found, 'role')
        const scope = textOf(found, 'scope')
        if (role === undefined && scope !== undefined)
          throw new UsageError('--scope says where a role counts: give one with --role.')
        const name = nameOf(argument, found)
        const made = await create(client, name, role, scope ?? subscription)
        const { clientId, objectId, tenantId, clientSecret } = made
        process.stdout.write(
          found.json === true
            ? json(made)
            : pairs({
                name,
                'client id': clientId,
                'object id': objectId,
                tenant: tenantId,
                secret: clientSecret,
              }),
        )
        note('the secret is kept nowhere: note it down now.')
      }),
    )

  add('list', 'List the principals, those of the configuration among them.').action((found: Found) =>
    withClient(found, async (client) => {
      const principals = await list(client)
      process.stdout.write(
        found.json === true
          ? json(principals)
          : table(
              ['NAME', 'CLIENT ID', 'OBJECT ID', 'SOURCE', 'CREATED'],
              principals.map(({ name, clientId, objectId, source, createdAt = '' }) => [
                ...[name, clientId, objectId, source, createdAt],
              ]),
            ),
      )
    }),
  )

  add('delete', 'Delete a principal: it signs in no more, and its tokens are good no more.')
    .argument('<name|client id>', 'its name or its client id')
    .action((given: string, found: Found) =>
      withClient(found, async (client) => {
        const { name, clientId } = await find(client, given)
        await client.request('DELETE', `/principals/${clientId}`)
        process.stdout.write(
          found.json === true ? json({ deleted: clientId }) : `deleted principal ${name}\n`,
        )
      }),
    )
}

const list = async (client: Client): Promise<readonly Json[]> =>
  (await client.request('GET', '/principals')).value

async function find(client: Client, given: string): Promise<Json> {
  const lower = given.toLowerCase()
  const found = (await list(client)).find(
    ({ name, clientId }) => clientId === lower || name.toLowerCase() === lower,
  )
  if (!found)
    throw new OperatorError(
      `There is no principal '${given}': "busbar principal list" shows those there are.`,
    )
  return found
}

/** With its role, or not at all. */
async function create(client: Client, name: string, role: string | undefined, scope: string): Promise<Json> {
  const roleDefinitionId = role === undefined ? undefined : await roleIdOf(client, role, scope)
  const made = await client.request('POST', '/principals', { name })
  if (roleDefinitionId === undefined) return made
  try {
    await client.request('PUT', authorizationPath(scope, `roleAssignments/${newGuid()}`), {
      properties: { roleDefinitionId, principalId: made.objectId, principalType: 'ServicePrincipal' },
    })
  } catch (error) {
    await client.request('DELETE', `/principals/${made.clientId}`)
    throw error
  }
  return made
}

async function roleIdOf(client: Client, role: string, scope: string): Promise<string> {
  const roles: readonly Json[] = await client.list(authorizationPath(scope, 'roleDefinitions'))
  const lower = role.toLowerCase()
  const found = roles.find(
    ({ name, properties }) => name === lower || properties.roleName.toLowerCase() === lower,
  )
  if (!found)
    throw new OperatorError(
      `There is no role '${role}' at ${scope}. There are: ${roles.map(({ properties }) => properties.roleName).join(', ')}.`,
    )
  return found.id
}

const authorizationPath = (scope: string, rest: string): string =>
  `${scope.replace(/\/+$/, '').split('/').map(encodeURIComponent).join('/')}/providers/Microsoft.Authorization/${rest}?api-version=${authorizationVersion}`
