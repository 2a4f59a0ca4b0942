import { proved, type Section } from '../rule.ts'

const store = 'src/sessions/session-store.test.ts'
const kill = 'test/mqtt/kill.test.ts'
const absent = 'test/mqtt/sessions.test.ts'
const events = 'src/routing/message-event.test.ts'
const routing = 'src/routing/routing.test.ts'
const routed = 'test/mqtt/routing.test.ts'
const http = 'test/mqtt/http.test.ts'
const lifecycle = 'src/lifecycle/lifecycle.test.ts'
const told = 'test/mqtt/lifecycle.test.ts'

export const mqttSessions: Section = {
  title: 'MQTT sessions that outlive the server',
  source: 'learn.microsoft.com/azure/event-grid/mqtt-support; MQTT 5.0, 4.1',
  rules: [
    proved(
      'A message that was acknowledged is on disk for every absent session that gets it, with its subscriptions',
      [kill, 'what was acknowledged for an absent session of MQTT ${name} is there after a kill'],
      [store, 'a session, its subscriptions and what waits for it are there after a crash'],
    ),
    proved(
      'What a client did not acknowledge comes again after a restart, with its packet id and DUP',
      [kill, 'a message that was not acknowledged before a kill comes again as the same one'],
      [store, 'what was acknowledged is gone, and what was sent comes again with its packet id'],
    ),
    proved(
      'QoS 2 is exactly once over a restart, in both directions',
      [
        store,
        'the packet id of a QoS 2 message is on disk before it is sent, and once received it never comes again',
      ],
      [store, 'an inbound QoS 2 packet id is on disk exactly when its message is'],
    ),
    proved(
      'Retained messages outlive a restart, the newest of each topic',
      [kill, 'retained messages of MQTT ${name} are there after a kill, the newest of each topic'],
      [store, 'retained messages are there after a crash, the newest of each topic'],
    ),
    proved('The will of a persistent session that a crash cuts off is published', [
      kill,
      'the will of a client that was connected when the broker was killed is published after the start',
    ]),
    {
      rule: 'A session for which more than 100 messages or 1 MiB wait is removed, and counted as `SessionOverflow`',
      status: 'differs',
      note: 'so in the strict profile; the open one lets more wait, and `mqtt.limits` sets both',
      provedBy: [
        [
          absent,
          'an absent session of version ${version} for which more ${what} wait than may is removed and counted',
        ],
      ],
    },
    proved(
      'A session that has expired is gone, with what waited for it',
      [absent, 'a session that has expired is gone with what waited for it'],
      [absent, 'a session that expires after a restart is gone then, too'],
    ),
    proved('A message that expires while it waits is not delivered; an interval of 0 is never', [
      store,
      'a message that has expired while it waited is not handed out',
    ]),
  ],
}

export const mqttRouting: Section = {
  title: 'MQTT messages as events, and over HTTP',
  source:
    'learn.microsoft.com/azure/event-grid/mqtt-routing, mqtt-routing-event-schema, mqtt-routing-enrichment, mqtt-http-publish, mqtt-retain',
  rules: [
    proved('Messages are routed to a topic of the same namespace as CloudEvents `MQTT.EventPublished`', [
      routed,
      'messages are received from a queue of the same namespace as CloudEvents with their enrichments',
    ]),
    proved(
      'Messages are routed to a custom topic as the identity of the namespace, with EventGrid Data Sender',
      [routed, 'messages go to a custom topic once the identity of the namespace may send to it'],
    ),
    proved(
      '`data` for JSON and text, `data_base64` for all else',
      [events, 'a message that says that it is JSON has its value as data, byte for byte'],
      [events, 'a message that says that it is text has its JSON value as data, or its text'],
      [events, 'a message without content type or format is base64 of unknown type'],
    ),
    proved(
      'A message that is a CloudEvent, structured or binary, stays that event; a malformed one is a message like any other',
      [events, 'a message that is a structured CloudEvent stays that event, with enrichments added'],
      [events, 'a message with the attributes of a CloudEvent as user properties is that event'],
      [events, 'a malformed CloudEvent is a message like any other'],
    ),
    proved(
      'Static and dynamic enrichments, with the types of what they read; empty where there is nothing',
      [events, 'enrichments have the types of what they read'],
      [events, 'enrichments of what is not there are empty strings, and 0 for the format'],
    ),
    {
      rule: 'An enrichment with the name of an attribute that the event has',
      status: 'differs',
      note: 'not documented: the enrichment wins',
      provedBy: [[events, 'an enrichment wins over an extension attribute of the same name']],
    },
    proved(
      'What cannot be routed is counted by `Error`, and never refused to the publisher',
      [routed, 'a message that nobody may want any more is acknowledged, and counted as not routed'],
      [routing, 'what is for a topic that is gone is counted and dropped'],
    ),
    {
      rule: 'What the topic does not take for now is tried again after 10 s, 30 s, 1, 5, 10, 30 min, 1, 3, 6 and 12 h',
      status: 'differs',
      note: 'for a day, which is not documented; what waits is bounded, and is in memory',
      provedBy: [[routing, 'what the topic does not take for now is tried again on the schedule, for a day']],
    },
    proved(
      'HTTP publish: a message with all of its properties, with a token of Microsoft Entra ID',
      [http, 'a message that is published over HTTP reaches subscribers with all of its properties'],
      [http, 'requests to publish that are not as they must be are refused, and nothing is published'],
    ),
    proved(
      'Retained messages are read one by one and listed page by page',
      [http, 'a retained message is read as it was published, and listed page by page'],
      [http, 'requests to read retained messages that are not as they must be are refused'],
    ),
    {
      rule: 'HTTP publish: at most 500 messages and 512 KiB a second for each throughput unit, 500 messages for each caller',
      status: 'differs',
      note: 'in the strict profile',
      provedBy: [[http, 'in the strict profile no more than 512 KiB come over HTTP in a second']],
    },
  ],
}

export const mqttLifecycle: Section = {
  title: 'MQTT client life-cycle events',
  source:
    'learn.microsoft.com/azure/event-grid/event-schema-event-grid-namespace, mqtt-client-life-cycle-events',
  rules: [
    proved(
      'The four events have the members of the documented examples, in both schemas',
      [
        told,
        'each event has the members of its documented example in both schemas, on the namespace and on its system topic',
      ],
      [lifecycle, 'each of the four events is what the documented example is'],
    ),
    proved('They reach every kind of destination, such as a topic of a namespace', [
      told,
      'life-cycle events reach a topic of a namespace, as any other destination',
    ]),
    proved(
      'Each of the eleven disconnection reasons, for clients of 3.1.1 and 5.0',
      [told, 'a client of version ${protocolVersion} is told of as ${reason}'],
      [
        told,
        'a client of version ${protocolVersion} that was connected when the server was killed is told of as ServerError',
      ],
      [
        absent,
        'a client of version ${version} that keeps silent is cut, its will is published, and it is told of as ClientError',
      ],
    ),
    proved(
      'Sequence numbers of a session never go back; a taken-over connection is told of with its own',
      [lifecycle, 'the numbers of a session never go back, across restarts and crashes'],
      [
        told,
        'who takes over a session in version ${protocolVersion} has the next number, and the old connection is told of',
      ],
    ),
    {
      rule: 'Changes of a client within a few seconds are told of once; created and deleted: only `MQTTClientDeleted`',
      status: 'differs',
      note: 'after three quiet seconds and at the latest five, which the documentation shows and does not promise; `limits` sets both',
      provedBy: [
        [lifecycle, 'changes of a client within a few seconds are told of once, with the last state'],
        [told, 'a client that is made and deleted within a few seconds is told of once, as deleted'],
        [lifecycle, 'a change that a crash has cut short is told of at the next start'],
      ],
    },
    proved('A failed CONNECT is not told of', [
      told,
      'a failed CONNECT and a TLS connection without one are not told of',
    ]),
  ],
}
