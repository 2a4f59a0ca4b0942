import { proved, type Section } from '../rule.ts'

const every = 'test/every-operation.test.ts'
const hosting = 'src/arm/azure-hosting.test.ts'
const locations = 'src/arm/locations.test.ts'
const neighbours = 'test/neighbours.test.ts'
const kinds = 'src/arm/sdk-topic-kinds.test.ts'
const operations = 'src/arm/provider-operations.test.ts'

export const resourceManager: Section = {
  title: 'Resource Manager, further',
  source: 'learn.microsoft.com/rest/api/resources, learn.microsoft.com/rest/api/eventgrid/controlplane',
  rules: [
    proved('`@azure/arm-eventgrid` 14.1.0: every operation of the client', [
      every,
      'every operation of @azure/arm-eventgrid is answered',
    ]),
    proved('`@azure/arm-resources` 7.0.0: every operation of the client', [
      every,
      'every operation of @azure/arm-resources is answered',
    ]),
    {
      rule: '`@azure/arm-resourcesdeployments` 1.0.0: every operation of the client',
      status: 'differs',
      note: 'deployments to management groups and to the tenant are refused with 400 `InvalidDeployment`',
      provedBy: [[every, 'every operation of @azure/arm-resourcesdeployments is answered']],
    },
    proved('`@azure/arm-locks` 2.1.0: every operation of the client', [
      every,
      'every operation of @azure/arm-locks is answered',
    ]),
    proved(
      '`GET /providers/{namespace}/operations`',
      [operations, 'the official client lists the operations of Microsoft.EventGrid'],
      [
        operations,
        'every operation on a resource that is listed is there, and every one that is there is listed',
      ],
    ),
    proved(
      'A resource in a region that is not there: 400 `LocationNotAvailableForResourceType`',
      [
        locations,
        'a resource in a region that Azure does not have is refused, with the regions and the nearest of them',
      ],
      [locations, 'a location that the configuration names is told of, and resources may be there'],
    ),
    proved('`sku` `Basic` and `kind` `Azure` of topics and domains', [
      hosting,
      'what az says of a topic with each write is taken, and told to the versions that know it',
    ]),
    {
      rule: 'Topics: `sku` `Premium`, `kind` `AzureArc`, `extendedLocation`, `encryption` with keys of a key vault, `platformCapabilities.confidentialCompute`',
      status: 'refused',
      note: '400 `InvalidRequest`',
      provedBy: [
        [hosting, 'what is for Azure to run is refused by PUT and by PATCH with an error that names it'],
      ],
    },
    proved('System topics: an update repeats `source` and `topicType`, and does not change them', [
      hosting,
      'an update of what a system topic stands for is refused, and one that repeats it is taken',
    ]),
    {
      rule: 'Private endpoint connections of topics, domains and partner namespaces: PUT, GET, DELETE, LIST',
      status: 'differs',
      note: 'a record, made by PUT; no network follows it, as the header `x-ms-busbar-warning` says',
      provedBy: [
        [kinds, 'the official client makes, approves, lists and deletes private endpoint connections'],
      ],
    },
    {
      rule: 'Private link resources, and network security perimeter configurations',
      status: 'differs',
      note: 'no resource is in a perimeter: the list is empty',
      provedBy: [[kinds, 'the official client is told what a private endpoint could be made for']],
    },
    {
      rule: 'Resource groups: `moveResources`, `validateMoveResources`',
      status: 'differs',
      note: 'topics, domains, system topics, and resources of other providers that nothing names by their id; done when it is answered (204). What was dead-lettered before stays under the old id',
      provedBy: [
        [
          'test/moves.test.ts',
          'a topic moves with its keys, its endpoint, its event subscriptions and the events that wait for them',
        ],
        ['test/moves.test.ts', 'no event is lost that is published while its domain moves there and back'],
        [
          'test/moves.test.ts',
          'what stands on others, waits, or is named by its id does not move, and the refusal says why',
        ],
      ],
    },
    {
      rule: 'Subscriptions: aliases, `rename`, `cancel`',
      status: 'differs',
      note: 'for subscriptions that were made so; one that is canceled must be empty, and is gone at once',
      provedBy: [
        [
          'src/arm/subscription-aliases.test.ts',
          'a subscription is made with an alias, takes groups, and is there after a restart',
        ],
        [
          'src/arm/subscription-aliases.test.ts',
          'a subscription is renamed, and canceled once it is empty; those of the configuration are not',
        ],
      ],
    },
    proved('`POST /batch`', [
      'src/arm/batch.test.ts',
      'requests of a batch are carried out and answered each for itself',
    ]),
    {
      rule: 'Storage accounts: defaults, their services, `primaryEndpoints`, `listKeys`, `listAccountSas`, names that are taken once',
      status: 'differs',
      note: 'endpoints and keys are those of the configured connection; without one the endpoints are left out and `listKeys` is refused with 409 `Conflict`',
      provedBy: [
        [
          neighbours,
          'a storage account has the defaults of its provider, and the endpoints of its connection',
        ],
        [
          neighbours,
          'a signature for an account is made with the key of its connection, as the official client makes it',
        ],
        [neighbours, 'what a provider makes of its own accord is there with its owner, and goes with it'],
        [
          neighbours,
          'the name of a storage account is taken once, in any group, and free again when it is deleted',
        ],
      ],
    },
    {
      rule: 'Namespaces of Event Hubs and Service Bus, their event hubs, queues, topics and authorization rules',
      status: 'differs',
      note: 'endpoints and keys are those of the configured connection',
      provedBy: [
        [
          neighbours,
          'namespaces of Event Hubs and Service Bus have the defaults of their providers, and so do their children',
        ],
        [neighbours, 'a template that asks for endpoints and keys of what it makes deploys'],
      ],
    },
    proved('User-assigned identities: `principalId`, `clientId`, `tenantId`', [
      neighbours,
      'an identity has guids that stay, and that whatever it is assigned to tells',
    ]),
    {
      rule: 'Diagnostic settings of any resource: PUT, GET, DELETE, LIST',
      status: 'differs',
      note: 'kept; nothing is sent to what they name, as the header `x-ms-busbar-warning` says',
      provedBy: [
        [
          neighbours,
          'a diagnostic setting stands on any resource, says that nothing is sent, and goes with the resource',
        ],
      ],
    },
    {
      rule: 'Secrets of resources of other providers are told by no GET',
      status: 'differs',
      note: 'they are known by the names that providers give them',
      provedBy: [
        [
          'src/resources/secret-members.test.ts',
          'a secret of a resource that is not run here is in no record and in no answer, and stays with an update',
        ],
      ],
    },
  ],
}
