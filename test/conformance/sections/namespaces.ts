import { proved, type Section } from '../rule.ts'

const arm = 'src/arm/namespaces.test.ts'
const push = 'test/namespace-push.test.ts'

export const namespaces: Section = {
  title: 'Namespaces, their topics, and push delivery from those',
  source:
    'learn.microsoft.com/azure/event-grid/concepts-event-grid-namespaces, push-delivery-overview, namespace-topics-event-filtering, dead-letter-event-subscriptions-namespace-topics',
  rules: [
    proved('`sku`: Standard, 1 to 40 throughput units, 1 unless it says otherwise', [
      arm,
      'throughput units are 1 to 40, and an update changes them and nothing else',
    ]),
    {
      rule: 'Host names of a namespace, `{name}.{region}-1.eventgrid.azure.net` and `….ts.eventgrid.azure.net`',
      status: 'differs',
      note: 'both are taken where they resolve; the resource shows an address that needs no DNS, with a path behind the host of the topics',
      provedBy: [
        [
          arm,
          'a namespace is found by path, by host name, by custom domain, and no longer once it is deleted',
        ],
        [arm, 'where two regions have a namespace of one name, its path without a region means neither'],
      ],
    },
    {
      rule: 'Custom domains of topics and of the MQTT broker',
      status: 'differs',
      note: 'approved at once, as the operator of the server owns its names; `certificateUrl` is kept and not read',
      provedBy: [[arm, 'a custom domain leads to one place']],
    },
    proved('`listKeys`, `regenerateKey` of namespaces and of their topics', [
      arm,
      'a namespace has one throughput unit, disabled topic spaces and two keys unless it says otherwise',
    ]),
    proved('Topic spaces that are enabled cannot be disabled', [
      arm,
      'topic spaces that are enabled stay so, and an update names one member without losing the others',
    ]),
    proved(
      '`routeTopicResourceId`: a topic of the namespace, or a custom topic of its region with CloudEvents',
      [
        arm,
        'messages may be routed to a topic of the namespace itself, and to a custom topic of its region with CloudEvents',
      ],
    ),
    proved('100 topics for each throughput unit', [
      arm,
      'a strict namespace has at most a hundred topics for each throughput unit',
    ]),
    proved('`eventRetentionInDays`: 1 to 7', [
      arm,
      'a namespace topic keeps events for 1 to 7 days, 7 unless it says otherwise',
    ]),
    proved('`eventTimeToLive`: an ISO 8601 duration from a minute to the retention of the topic', [
      arm,
      'no event subscription keeps events for longer than its topic',
    ]),
    proved('`deliveryMode` Queue and Push', [
      arm,
      'what is received from is not delivered, and the one does not become the other',
    ]),
    proved('Identities of deliveries and dead-lettering are those of the namespace', [
      arm,
      'identities are those of the namespace, in any of the spellings that clients have for them',
    ]),
    proved('Filters on types, context attributes and data, arrays included', [
      push,
      'filters of a namespace topic see types, attributes and data, and arrays without being told',
    ]),
    proved('Push: structured CloudEvents with `aeg-` headers and custom delivery attributes', [
      push,
      'an event of a namespace topic is delivered as a CloudEvent, with the headers of namespaces',
    ]),
    proved('Push: output batching', [
      push,
      'events of a namespace topic are delivered in batches where the webhook asks for it',
    ]),
    proved(
      'Push: the CloudEvents handshake, without callback and rate; without consent the event subscription fails',
      [push, 'a webhook is asked in the way of CloudEvents, without a callback and a rate'],
      [push, 'a webhook that does not allow the origin fails the event subscription of a namespace topic'],
    ),
    proved('Push: attempts after 10 s, 30 s, 1 min and every 5 min, ten at most', [
      push,
      'an event that is not taken is tried again after 10 s, 30 s, 1 min, and every 5 min, ten times in all',
    ]),
    proved('Push: 400, 401, 403, 404, 413 and 414 of a webhook are not tried again', [
      push,
      'an event of a namespace topic to which a webhook answers',
    ]),
    proved('Push to Event Hubs, with a partition key', [
      push,
      'events of a namespace topic go to an event hub with the identity of the namespace, a partition key among their attributes',
    ]),
    {
      rule: 'Push to webhooks and Event Hubs',
      status: 'differs',
      note: 'to every other destination too',
      provedBy: [
        [push, 'events of a namespace topic go to a storage queue'],
        [push, 'events of one namespace topic go on to another of this server'],
      ],
    },
    proved(
      'Dead letters: `{namespace}/{topic}/{event subscription}/…`, with `deadLetterProperties` beside the event',
      [push, 'what a namespace topic gives up is dead-lettered in the form and under the path of namespaces'],
    ),
    proved('Dead letters are tried for `deliveryRetryPeriodInDays`, 2 at most, and then dropped', [
      push,
      'a dead letter of a namespace topic waits for its container for as many days as it says and is then dropped',
    ]),
    proved('A namespace topic as the destination of event subscriptions on other topics', [
      push,
      'an Event Grid event that goes on to a namespace topic of this server is a CloudEvent there',
    ]),
  ],
}
