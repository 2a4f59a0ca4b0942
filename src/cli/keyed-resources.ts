import { Argument, type Command, Option } from 'commander'
import {
  explainMissingGroup,
  findResource,
  groupForNew,
  groupOf,
  type Kind,
  listPath,
  resourceId,
  versioned,
} from './azure.ts'
import type { Json } from './client.ts'
import { addConnectionOptions, addGroup, type Found, note, withClient } from './connection.ts'
import { assignments, listOf, nameOf, oneOf, textOf } from './found.ts'
import { json, pairs, table } from './table.ts'

/*
 * The commands of topics and domains, which differ in a word: create, list, show, delete, keys.
 */

const inputSchemas = ['EventGridSchema', 'CloudEventSchemaV1_0', 'CustomEventSchema']

/** Names of options are those of `az eventgrid topic` and `az eventgrid domain`. */
export function addKeyedResourceCommands(program: Command, kind: Kind, description: string): void {
  const { word } = kind
  const group = addGroup(program, word, description)
  const add = (name: string, about: string, { named = true } = {}) => {
    const command = addConnectionOptions(group.command(name)).description(about)
    if (named)
      command
        .addArgument(new Argument('[name]', `the ${word}'s name`))
        .option('-n, --name <NAME>', 'the same, as an option')
    return command
      .option('-g, --resource-group <GROUP>', `resource group (default: wherever the ${word} is)`)
      .option('--json', 'print JSON')
  }

  add('create', `Make a ${word}, or change one that is there.`)
    .option('-l, --location <REGION>', 'Azure region, part of the endpoint', 'westus2')
    .addOption(
      new Option(
        '--input-schema <SCHEMA>',
        `what events are published in: ${inputSchemas.join(', ')}`,
      ).argParser(oneOf(inputSchemas)),
    )
    .option('--input-mapping-fields <NAME=FIELD...>', 'where a custom event has id, topic, eventtime, ...')
    .option(
      '--input-mapping-default-values <NAME=VALUE...>',
      'eventtype, subject or dataversion of custom events that have none',
    )
    .addOption(
      new Option('--public-network-access <STATE>', 'Enabled or Disabled').argParser(
        oneOf(['Enabled', 'Disabled']),
      ),
    )
    .option('--inbound-ip-rules <ADDRESS...>', 'addresses or CIDR ranges that may publish; default: all')
    .option('--disable-local-auth', 'refuse keys and SAS tokens')
    .option('--tags <NAME=VALUE...>', 'tags')
    .addHelpText(
      'after',
      '\nWithout -g the only resource group is taken; where there is none, one named "default" is made.',
    )
    .action((argument: string | undefined, found: Found) =>
      withClient(found, async (client) => {
        const name = nameOf(argument, found)
        const location = textOf(found, 'location') as string
        const body = {
          location,
          tags: assignments(listOf(found, 'tags'), '--tags'),
          properties: propertiesOf(found),
        }
        const into = await groupForNew(client, textOf(found, 'resourceGroup'), location, note)
        const made = await client
          .change('PUT', versioned(resourceId(into, kind, name)), body)
          .catch((error: unknown) => {
            throw explainMissingGroup(error, into)
          })
        print(found, made)
      }),
    )

  add('list', `List ${kind.plural}.`, { named: false }).action((found: Found) =>
    withClient(found, async (client) => {
      const list = await client.list(
        versioned(listPath(kind, textOf(found, 'resourceGroup')), { $top: '100' }),
      )
      process.stdout.write(
        found.json === true
          ? json(list)
          : table(
              ['NAME', 'GROUP', 'LOCATION', 'SCHEMA', 'STATE', 'ENDPOINT'],
              list.map(({ name, id, location, properties }) => [
                name,
                groupOf(id as string),
                location,
                properties.inputSchema,
                properties.provisioningState,
                properties.endpoint,
              ]),
            ),
      )
    }),
  )

  add('show', `Show a ${word}.`).action((argument: string | undefined, found: Found) =>
    withClient(found, async (client) =>
      print(found, await findResource(client, kind, nameOf(argument, found), textOf(found, 'resourceGroup'))),
    ),
  )

  add('delete', `Delete a ${word} and its event subscriptions.`).action(
    (argument: string | undefined, found: Found) =>
      withClient(found, async (client) => {
        const { id, name } = await findResource(
          client,
          kind,
          nameOf(argument, found),
          textOf(found, 'resourceGroup'),
        )
        await client.change('DELETE', versioned(id as string))
        process.stdout.write(found.json === true ? json({ deleted: id }) : `deleted ${word} ${name}\n`)
      }),
  )

  add('keys', `Print the access keys of a ${word}, or make one of them anew.`)
    .addOption(
      new Option('--regenerate <KEY>', 'key1 or key2; the old one is refused from then on').argParser(
        oneOf(['key1', 'key2']),
      ),
    )
    .action((argument: string | undefined, found: Found) =>
      withClient(found, async (client) => {
        const { id } = await findResource(
          client,
          kind,
          nameOf(argument, found),
          textOf(found, 'resourceGroup'),
        )
        const keyName = textOf(found, 'regenerate')
        const { key1, key2 } =
          keyName === undefined
            ? await client.request('POST', versioned(`${id}/listKeys`))
            : await client.request('POST', versioned(`${id}/regenerateKey`), { keyName })
        process.stdout.write(found.json === true ? json({ key1, key2 }) : pairs({ key1, key2 }))
      }),
    )
}

function print(found: Found, resource: Json): void {
  const { id, name, location, tags, properties } = resource
  process.stdout.write(
    found.json === true
      ? json(resource)
      : pairs({
          name,
          group: groupOf(id as string),
          location,
          schema: properties.inputSchema,
          state: properties.provisioningState,
          endpoint: properties.endpoint,
          tags: Object.entries((tags ?? {}) as Record<string, string>)
            .map(([tag, value]) => `${tag}=${value}`)
            .join(' '),
          id,
        }),
  )
}

function propertiesOf(found: Found): Json {
  const addresses = listOf(found, 'inboundIpRules')
  return {
    inputSchema: textOf(found, 'inputSchema'),
    inputSchemaMapping: mappingOf(found),
    publicNetworkAccess: textOf(found, 'publicNetworkAccess'),
    inboundIpRules: addresses?.map((ipMask) => ({ ipMask, action: 'Allow' })),
    disableLocalAuth: found.disableLocalAuth === true ? true : undefined,
  }
}

const mappedNames = ['id', 'topic', 'eventTime', 'eventType', 'subject', 'dataVersion']

/** Source: learn.microsoft.com/azure/event-grid/input-mappings, in the words of az */
function mappingOf(found: Found): Json {
  const fields = assignments(listOf(found, 'inputMappingFields'), '--input-mapping-fields')
  const defaults = assignments(listOf(found, 'inputMappingDefaultValues'), '--input-mapping-default-values')
  if (fields === undefined && defaults === undefined) return undefined
  const mapping: Record<string, { sourceField?: string; defaultValue?: string }> = {}
  const spelled = (name: string) => oneOf(mappedNames)(name)
  for (const [name, sourceField] of Object.entries(fields ?? {}))
    mapping[spelled(name)] = { ...mapping[spelled(name)], sourceField }
  for (const [name, defaultValue] of Object.entries(defaults ?? {}))
    mapping[spelled(name)] = { ...mapping[spelled(name)], defaultValue }
  return { inputSchemaMappingType: 'Json', properties: mapping }
}
