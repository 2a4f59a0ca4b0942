import { Argument, Option } from 'commander'
import { decodeAdvancedFilters } from '../advanced-filters.ts'
import { versioned } from '../azure.ts'
import type { Json } from '../client.ts'
import { addConnectionOptions, addGroup, type Found, note, withClient } from '../connection.ts'
import { decodeDeliveryAttributes } from '../delivery-attributes.ts'
import { decodeDeadLetterEndpoint, decodeEndpoint, encodeEndpoint, endpointTypes } from '../endpoints.ts'
import {
  addSourceOptions,
  eventSubscriptionId,
  findEventSubscription,
  listEventSubscriptions,
  sourceOf,
} from '../event-sources.ts'
import { integer, listOf, nameOf, numberOf, oneOf, textOf } from '../found.ts'
import { json, pairs, table } from '../table.ts'
import { UsageError } from '../usage-error.ts'
import type { AddCommand } from './command.ts'

const deliverySchemas = ['EventGridSchema', 'CloudEventSchemaV1_0', 'CustomInputSchema']

/** Names of options are those of `az eventgrid event-subscription`. */
export const subscription: AddCommand = (program) => {
  const group = addGroup(
    program,
    'subscription',
    'Event subscriptions of topics and domains: create, list, show, delete.',
  )
  const add = (name: string, about: string, { named = true } = {}) => {
    const command = addConnectionOptions(group.command(name)).description(about)
    if (named)
      command
        .addArgument(new Argument('[name]', "the event subscription's name"))
        .option('-n, --name <NAME>', 'the same, as an option')
    return addSourceOptions(command).option('--json', 'print JSON')
  }

  add(
    'create',
    'Make an event subscription, or change one that is there, and wait until its endpoint agrees.',
  )
    .option('--endpoint <URL|ID>', 'where events go')
    .addOption(
      new Option('--endpoint-type <TYPE>', endpointTypes.join(', '))
        .argParser(oneOf(endpointTypes))
        .default('webhook'),
    )
    .option('--included-event-types <TYPE...>', 'event types that it wants (default: all)')
    .option('--subject-begins-with <TEXT>', 'beginning of the subjects that it wants')
    .option('--subject-ends-with <TEXT>', 'end of the subjects that it wants')
    .option('--subject-case-sensitive', 'letter case matters in subjects')
    .option('--advanced-filter <KEY OPERATOR VALUE...>', 'such as data.color StringIn blue red; repeatable')
    .option('--enable-advanced-filtering-on-arrays', 'advanced filters look into arrays')
    .addOption(
      new Option('--event-delivery-schema <SCHEMA>', deliverySchemas.join(', ')).argParser(
        oneOf(deliverySchemas),
      ),
    )
    .addOption(new Option('--max-delivery-attempts <N>', 'at most 30, the default').argParser(integer(1, 30)))
    .addOption(new Option('--event-ttl <MINUTES>', 'at most 1440, the default').argParser(integer(1, 1440)))
    .option(
      '--deadletter-endpoint <ID>',
      'container for events that are given up: ACCOUNT-ID/blobServices/default/containers/NAME',
    )
    .addOption(new Option('--max-events-per-batch <N>', 'events in one delivery').argParser(integer(1, 5000)))
    .addOption(
      new Option('--preferred-batch-size-in-kilobytes <N>', 'size of one delivery').argParser(
        integer(1, 1024),
      ),
    )
    .addOption(
      new Option('--storage-queue-msg-ttl <SECONDS>', 'of messages on a storage queue').argParser(
        integer(1, 604_800),
      ),
    )
    .option(
      '--delivery-attribute-mapping <NAME KIND VALUE...>',
      'header of each delivery: NAME static VALUE true|false (whether it is secret), NAME dynamic FIELD; repeatable',
    )
    .option('--azure-active-directory-tenant-id <ID>', 'tenant of a webhook that Entra ID protects')
    .option('--azure-active-directory-application-id-or-uri <ID>', 'its application')
    .option('--expiration-date <TIME>', 'when it ends by itself, such as 2030-01-31T00:00:00Z')
    .option('--labels <LABEL...>', 'labels')
    .addHelpText(
      'after',
      `
Example: busbar subscription create to-hook --topic orders --endpoint http://127.0.0.1:7000/`,
    )
    .action((argument: string | undefined, found: Found) =>
      withClient(found, async (client) => {
        const name = nameOf(argument, found)
        const properties = propertiesOf(found)
        const source = await sourceOf(client, found)
        if (source === undefined)
          throw new UsageError('Say what it is on: --topic, --domain or --source-resource-id.')
        const path = versioned(eventSubscriptionId(source, name))
        print(
          found,
          await client.change('PUT', path, { properties }, () =>
            note(
              'waiting for the endpoint to agree: its owner may follow the validation URL that it was sent',
            ),
          ),
        )
      }),
    )

  add('list', 'List event subscriptions; without a source, all of them.', { named: false }).action(
    (found: Found) =>
      withClient(found, async (client) => {
        const source = await sourceOf(client, found)
        const list = await listEventSubscriptions(client, source, textOf(found, 'resourceGroup'))
        process.stdout.write(
          found.json === true
            ? json(list)
            : table(
                ['NAME', 'SOURCE', 'TYPE', 'ENDPOINT', 'EVENT TYPES', 'STATE'],
                list.map(({ name, properties: { topic, destination, filter, provisioningState } }) => [
                  name,
                  (topic as string).split('/').slice(-2).join('/'),
                  destination?.endpointType ?? '',
                  encodeEndpoint(destination),
                  (filter?.includedEventTypes ?? ['all']).join(','),
                  provisioningState,
                ]),
              ),
        )
      }),
  )

  add('show', 'Show an event subscription.').action((argument: string | undefined, found: Found) =>
    withClient(found, async (client) =>
      print(found, await findEventSubscription(client, found, nameOf(argument, found))),
    ),
  )

  add('delete', 'Delete an event subscription.').action((argument: string | undefined, found: Found) =>
    withClient(found, async (client) => {
      const { id, name } = await findEventSubscription(client, found, nameOf(argument, found))
      await client.change('DELETE', versioned(id as string))
      process.stdout.write(
        found.json === true ? json({ deleted: id }) : `deleted event subscription ${name}\n`,
      )
    }),
  )
}

function propertiesOf(found: Found): Json {
  const endpoint = textOf(found, 'endpoint')
  if (endpoint === undefined)
    throw new UsageError('Say where events go: --endpoint, such as https://example.org/events.')
  const deadLetter = textOf(found, 'deadletterEndpoint')
  const advanced = listOf(found, 'advancedFilter')
  const attributes = listOf(found, 'deliveryAttributeMapping')
  const flag = (name: string) => (found[name] === true ? true : undefined)
  return {
    destination: decodeEndpoint(textOf(found, 'endpointType') as string, endpoint, {
      maxEventsPerBatch: numberOf(found, 'maxEventsPerBatch'),
      preferredBatchSizeInKilobytes: numberOf(found, 'preferredBatchSizeInKilobytes'),
      queueMessageTimeToLiveInSeconds: numberOf(found, 'storageQueueMsgTtl'),
      azureActiveDirectoryTenantId: textOf(found, 'azureActiveDirectoryTenantId'),
      azureActiveDirectoryApplicationIdOrUri: textOf(found, 'azureActiveDirectoryApplicationIdOrUri'),
      deliveryAttributeMappings: attributes && decodeDeliveryAttributes(attributes),
    }),
    filter: {
      includedEventTypes: listOf(found, 'includedEventTypes'),
      subjectBeginsWith: textOf(found, 'subjectBeginsWith'),
      subjectEndsWith: textOf(found, 'subjectEndsWith'),
      isSubjectCaseSensitive: flag('subjectCaseSensitive'),
      enableAdvancedFilteringOnArrays: flag('enableAdvancedFilteringOnArrays'),
      advancedFilters: advanced && decodeAdvancedFilters(advanced),
    },
    eventDeliverySchema: textOf(found, 'eventDeliverySchema'),
    retryPolicy: {
      maxDeliveryAttempts: numberOf(found, 'maxDeliveryAttempts'),
      eventTimeToLiveInMinutes: numberOf(found, 'eventTtl'),
    },
    deadLetterDestination: deadLetter === undefined ? undefined : decodeDeadLetterEndpoint(deadLetter),
    expirationTimeUtc: textOf(found, 'expirationDate'),
    labels: listOf(found, 'labels'),
  }
}

function print(found: Found, eventSubscription: Json): void {
  if (found.json === true) {
    process.stdout.write(json(eventSubscription))
    return
  }
  const { id, name, properties } = eventSubscription
  const { topic, destination, filter, retryPolicy, deadLetterDestination, labels } = properties
  const deadLetter = deadLetterDestination?.properties
  process.stdout.write(
    pairs({
      name,
      source: topic,
      'endpoint type': destination?.endpointType,
      endpoint: encodeEndpoint(destination),
      'event types': (filter?.includedEventTypes ?? ['all']).join(', '),
      'subject begins with': filter?.subjectBeginsWith,
      'subject ends with': filter?.subjectEndsWith,
      'advanced filters': filter?.advancedFilters ? JSON.stringify(filter.advancedFilters) : undefined,
      schema: properties.eventDeliverySchema,
      retries: `${retryPolicy.maxDeliveryAttempts} attempts within ${retryPolicy.eventTimeToLiveInMinutes} minutes`,
      'dead-letter': deadLetter && `${deadLetter.resourceId}, container ${deadLetter.blobContainerName}`,
      labels: labels?.join(', '),
      expires: properties.expirationTimeUtc ?? undefined,
      state: properties.provisioningState,
      id,
    }),
  )
}
