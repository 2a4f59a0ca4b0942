import type { Section } from '../rule.ts'

export const clients: Section = {
  title: 'Official clients',
  source: 'the packages themselves, as they are published on npm',
  rules: [
    {
      rule: '`@azure/arm-eventgrid` 14.1.0: topics and event subscriptions in both forms, over HTTPS',
      provedBy: [
        ['src/arm/sdk.test.ts', 'the official client makes, reads, updates, lists and deletes a topic'],
        [
          'src/arm/sdk.test.ts',
          'the official client makes, reads, updates, lists and deletes event subscriptions in both forms',
        ],
        [
          'test/main-job.test.ts',
          'a key that was regenerated is refused from then on, and the new one is taken',
        ],
      ],
    },
    {
      rule: '`@azure/arm-resources` 7.0.0: resource groups, providers, resources',
      provedBy: [
        [
          'src/arm/sdk.test.ts',
          'the official client lists resources and deletes a group with all that is in it',
        ],
      ],
    },
    {
      rule: '`@azure/arm-resourcesdeployments` 1.0.0: deployments and their operations, over HTTPS',
      provedBy: [
        [
          'test/deployments.test.ts',
          'a template makes a topic with a webhook, says what it made, and delivers',
        ],
        [
          'test/deployments.test.ts',
          'a deployment is read, found, listed by state, exported and deleted; its operations are told',
        ],
      ],
    },
    {
      rule: '`@azure/eventgrid` 5.12.0: publishing with a key and with a SAS token; its errors',
      provedBy: [
        ['src/publish/publish.test.ts', 'the official client publishes Event Grid events with a key'],
        [
          'src/publish/publish.test.ts',
          'the official client publishes CloudEvents with a token from its own generateSharedAccessSignature',
        ],
        ['src/publish/publish.test.ts', 'the official client sees why its events were refused'],
      ],
    },
    {
      rule: '`@azure/eventgrid` 5.12.0: `EventGridDeserializer` reads what webhooks receive',
      provedBy: [
        [
          'test/main-job.test.ts',
          'an event published with a key is delivered in an array, with every documented header',
        ],
      ],
    },
    {
      rule: '`cloudevents` 10.0.0: `HTTP.toEvent` reads what webhooks receive',
      status: 'differs',
      note: 'it refuses the `dataschema` `#1.0` of an Event Grid event delivered as a CloudEvent when it reads a batch, as it does Azure’s',
      provedBy: [
        [
          'test/main-job.test.ts',
          'a CloudEvent published with a SAS token is delivered as one object with its extensions',
        ],
      ],
    },
  ],
}
