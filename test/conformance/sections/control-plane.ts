import { proved, type Section } from '../rule.ts'

const resources = 'src/arm/resources.test.ts'
const deployments = 'test/deployments.test.ts'
const generic = 'test/generic-resources.test.ts'
const subscriptions = 'test/subscriptions.test.ts'
const locks = 'src/arm/management-locks.test.ts'
const tags = 'test/tags-and-providers.test.ts'
const versions = 'src/arm/api-versions.test.ts'
const exports = 'src/arm/export-template.test.ts'
const provisioning = 'src/arm/provisioning.test.ts'

export const controlPlane: Section = {
  title: 'Control plane',
  source: 'learn.microsoft.com/rest/api/eventgrid/controlplane',
  rules: [
    proved(
      'Resource groups: PUT, PATCH, GET, HEAD, LIST, DELETE with everything in them',
      [resources, 'a group is made with 201, replaced with 200, updated with 200, seen by GET and HEAD'],
      [
        'src/arm/group-deletion.test.ts',
        'a group that takes long to delete says so, and takes no writes meanwhile',
      ],
    ),
    proved(
      'Topics: PUT, PATCH, GET, DELETE, LIST by group and by subscription',
      [
        resources,
        'a topic is answered with 201 each time, with its endpoint, and with an operation that has succeeded',
      ],
      [
        resources,
        'a topic is updated with 200, deleted with 202 and then 204, and its operation result is 204',
      ],
    ),
    proved('Topics: `listKeys`, `regenerateKey`', [
      resources,
      'keys are listed, one is regenerated and the other stays, and no polling header is sent',
    ]),
    proved('A name is taken once per location, whatever the group', [
      resources,
      'a topic name is taken once per location, whatever the group',
    ]),
    proved('System-assigned identities keep their guids', [
      resources,
      'a system-assigned identity keeps its guids while it is there',
    ]),
    proved('Event subscriptions on a topic are one record as extension and as child', [
      resources,
      'an event subscription is one record under both forms, printed in the form of the request',
    ]),
    proved('Event subscriptions: LIST by location, topic type, group and subscription', [
      resources,
      'event subscriptions are listed by location and topic type, over a group and the subscription',
    ]),
    proved('Event subscriptions: `getFullUrl` and `getDeliveryAttributes` alone tell secrets', [
      resources,
      'the full URL and secret attributes are told by their own calls only',
    ]),
    proved('Event subscriptions: a write is long-running, and its operation ends with the handshake', [
      provisioning,
      'a slow endpoint is answered for after 20 seconds with an operation in progress, and ended later',
    ]),
    proved('Asynchronous operations: `Azure-AsyncOperation`, `Location`, `Retry-After`; known for a day', [
      provisioning,
      'an operation that had succeeded is known after a restart and forgotten after a day',
    ]),
    proved('`If-Match` and `If-None-Match`', [
      resources,
      'a write with If-Match holds only for the version that was read',
    ]),
    proved(
      'Deployments of templates to a group: PUT, GET, HEAD, LIST, DELETE, `exportTemplate`, operations',
      [
        deployments,
        'a deployment is read, found, listed by state, exported and deleted; its operations are told',
      ],
    ),
    proved('Deployments of templates to the subscription, and deployments within deployments', [
      deployments,
      'a deployment to the subscription makes groups and deploys into them',
    ]),
    proved('Deployments: `reference` and `list*` of what was deployed, outputs, secret parameters', [
      deployments,
      'a template makes a topic with a webhook, says what it made, and delivers',
    ]),
    proved('Deployments: `validate`; types that are not here are named', [
      deployments,
      'validate says what a template would make, makes nothing, and names types that are not here',
    ]),
    proved(
      'Deployments: templates with resources of other providers, which say in `diagnostics` what they are here',
      ['test/deployment-examples.test.ts', 'a topic with a webhook and a dead-letter container'],
    ),
    proved('Deployments: events of each resource and of the deployment, under one correlation id', [
      deployments,
      'events tell of a deployment and of each of its resources, under one correlation id',
    ]),
    proved('Deployments: `whatIf`', [
      deployments,
      'what-if tells what would be made, changed, kept and, in mode Complete, deleted',
    ]),
    proved('Deployments: `cancel`, once', [
      deployments,
      'a deployment that waits for an endpoint is canceled; then it can be canceled no more',
    ]),
    proved('Deployments: mode `Complete`', [
      deployments,
      'mode Complete deletes what the template omits, after its writes',
    ]),
    proved('Deployments: the body of az, whose template is no JSON', [
      deployments,
      'the text that az sends is read: a key without quotes, and a template with comments',
    ]),
    {
      rule: 'Deployments to a management group, to the tenant, and of linked templates',
      status: 'refused',
      note: '400 `InvalidDeployment`, 400 `InvalidContentLink`',
      provedBy: [[deployments, 'what a deployment may not be is refused']],
    },
    {
      rule: 'A deployment goes on whatever happens to the machine that runs it',
      status: 'differs',
      note: 'one that a stop cuts off has failed with `DeploymentInterrupted`; deploy the template again',
      provedBy: [[deployments, 'a deployment that a stop cuts off says so after the next start']],
    },
    proved('Pages, `$top`, `$filter` by name', [
      resources,
      'lists come in pages that absolute links join, filtered by name',
    ]),
    proved('Tenants, subscriptions, locations, providers, LIST of all resources', [
      resources,
      'tenants, subscriptions, locations and providers are told',
    ]),
    {
      rule: 'Resources of other providers: PUT, PATCH, GET, HEAD, DELETE, LIST, their children, and paged lists of all',
      status: 'differs',
      note: 'stored and answered, and nothing runs behind them, as the header `x-ms-busbar-warning` says; any api-version will do',
      provedBy: [
        [generic, 'a resource of a provider that is not run here is made, read, updated, found and deleted'],
        [generic, 'a child is stored below its parent, is in no list of resources, and goes with it'],
        [
          'src/arm/resource-pages.test.ts',
          'the first page of ten thousand resources in a group looks at no more than it shows',
        ],
      ],
    },
    {
      rule: '`listKeys` of storage accounts, Event Hubs, Service Bus and Relay',
      status: 'differs',
      note: 'the key of the configured connection; without one, 409 `Conflict`',
      provedBy: [[generic, 'keys are those of the configured connection, and refused where there is none']],
    },
    proved(
      'Subscriptions: each has groups, resources and lists of its own; one that is not there is 404 `SubscriptionNotFound`',
      [subscriptions, 'groups, topics, event subscriptions and lists are of one subscription'],
      [subscriptions, 'a subscription that nobody configured is not found'],
    ),
    proved(
      'Locks on subscriptions, groups and resources: `CanNotDelete` and `ReadOnly`, inherited, answered with 409 `ScopeLocked`',
      [locks, 'a lock is made, read, replaced, listed from above and deleted'],
      [
        locks,
        'what is locked against deletion is changed and not deleted, on itself, from above and with what it lies in',
      ],
      [locks, 'what may only be read takes no write, no delete and no action'],
    ),
    proved(
      'Tags of a resource, a group or the subscription as a resource of their own; names of tags of a subscription',
      [
        tags,
        'tags of a topic, a group and the subscription are put, merged, replaced, taken away and deleted',
      ],
      [
        tags,
        'the names of tags in use, and of those that were made, are listed with their values and counts',
      ],
    ),
    {
      rule: 'Providers: LIST, GET, `register`, `unregister`',
      status: 'differs',
      note: 'every provider is registered from the start',
      provedBy: [
        [
          tags,
          'a provider is unregistered where nothing is of it, then makes nothing, until it is registered again',
        ],
      ],
    },
    {
      rule: 'An api-version that the provider has not is refused: `NoRegisteredProviderFound`, `InvalidApiVersionParameter`',
      status: 'differs',
      note: 'versions of Event Grid will do for routes of Resource Manager itself too; all of them mean the newest model',
      provedBy: [
        [versions, 'every version that clients send is taken'],
        [versions, 'every version that a provider lists makes a topic and an event subscription'],
        [
          'src/arm/refusals.test.ts',
          'a path, verb or api-version that means nothing is refused with its documented code',
        ],
      ],
    },
    {
      rule: 'Resource groups: `exportTemplate`',
      status: 'differs',
      note: 'URLs of webhooks, which Azure leaves out, are secure parameters',
      provedBy: [
        [exports, 'an exported template, deployed to another group, makes the same resources'],
        [exports, 'an export of what is not there, or of too much, is refused'],
      ],
    },
    proved('Paths match in any letter case, with doubled and encoded slashes', [
      'src/arm/refusals.test.ts',
      'paths match in any letter case, with doubled and encoded slashes and one at the end',
    ]),
    {
      rule: 'A topic has at most 500 event subscriptions',
      status: 'differs',
      note: '10,000 unless configured; one more is answered 409 `Conflict`',
      provedBy: [
        [
          'test/configuration.test.ts',
          'a topic takes as many event subscriptions as configured and not one more, made at once or in turn',
        ],
      ],
    },
    proved(
      'Callers are administrators with a key, or hold a token of a configured issuer; on loopback without either, everyone',
      [
        'test/configuration.test.ts',
        'with administrators, the control plane and traces are theirs alone; publishing still goes by topic keys',
      ],
    ),
  ],
}
