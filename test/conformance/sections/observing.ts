import { proved, type Section } from '../rule.ts'

const diagnostics = 'src/diagnostics/diagnostics.test.ts'

export const observing: Section = {
  title: 'System events, metrics and logs',
  source: 'learn.microsoft.com/azure/event-grid/event-sources, monitor-push-reference',
  rules: [
    proved('Every event type of Azure has a JSON Schema and a valid example that the official client reads', [
      'src/sources/contract.test.ts',
      'its example is as its schema says, and the official client reads it',
    ]),
    proved('No event type that the official client knows is missing', [
      'src/sources/contract.test.ts',
      'every event type that the official client knows is on the shelf, by its true name',
    ]),
    proved('Topic types and event types as `@azure/arm-eventgrid` asks for them', [
      'test/event-types.test.ts',
      'the official client lists the event types of a topic type, each with a link to its schema',
    ]),
    proved('`GET /schemas` and `/schemas/{event type}.json` are the event schema store', [
      'src/schemastore/schemastore.test.ts',
      'the index lists every event type by its topic type, with a link that answers',
    ]),
    proved('Any of them can be raised by hand: `POST /events/trigger`, `busbar trigger`', [
      'test/trigger.test.ts',
      'busbar trigger raises an event and prints it; a refusal is one line, and the exit code says so',
    ]),
    {
      rule: 'The metrics of Azure Monitor with their dimensions',
      status: 'differs',
      note: 'in Prometheus’ spelling, at `GET /metrics`; docs/metrics.md has the names',
      provedBy: [['test/metrics.test.ts', 'every metric of Azure Monitor is counted, with its dimensions']],
    },
    {
      rule: 'Diagnostic logs: `PublishFailures`, `DeliveryFailures`, `DataPlaneRequests`',
      status: 'differs',
      note: 'records have Azure’s fields, and go to files that the configuration asks for',
      provedBy: [
        [diagnostics, 'a refused publish request is a record of PublishFailures'],
        [diagnostics, 'an event of a failed attempt is a record of DeliveryFailures'],
        [
          diagnostics,
          'requests are counted apart by client, credential and result, and written once a minute',
        ],
      ],
    },
  ],
}
