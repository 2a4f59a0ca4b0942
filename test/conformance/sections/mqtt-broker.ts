import { proved, type Section } from '../rule.ts'

const codec = 'src/mqtt/packets/contract.test.ts'
const malformed = 'test/mqtt/malformed.test.ts'
const connect = 'test/mqtt/connect.test.ts'
const publish = 'test/mqtt/publish.test.ts'
const subscribe = 'test/mqtt/subscribe.test.ts'
const delivery = 'test/mqtt/delivery.test.ts'
const wills = 'test/mqtt/wills.test.ts'
const strict = 'test/mqtt/strict.test.ts'
const authentication = 'test/mqtt/authentication.test.ts'
const server = 'test/mqtt/server.test.ts'
const listeners = 'src/mqtt/listeners/listeners.test.ts'
const command = 'test/mqtt-command.test.ts'

export const mqttBroker: Section = {
  title: 'The MQTT broker',
  source:
    'OASIS MQTT Version 3.1.1 and Version 5.0; learn.microsoft.com/azure/event-grid/mqtt-support, mqtt-retain, quotas-limits',
  rules: [
    proved('Every control packet of MQTT 3.1.1 and 5.0, cut anywhere on its way', [
      codec,
      'may be cut anywhere',
    ]),
    proved(
      'A packet that breaks the standard ends its own connection, with the reason code in 5.0, and no other',
      [
        malformed,
        'a malformed packet ends its connection with the reason code that it deserves, and no other',
      ],
    ),
    proved(
      'Clean start, session present, session expiry and its maximum',
      [connect, 'without a clean start the session goes on: its subscriptions and what it missed'],
      [connect, 'an expiry above the maximum is lowered, and CONNACK says to what'],
    ),
    proved('A second connection of a client takes its session over', [
      connect,
      'a second connection of a client takes its session over',
    ]),
    proved('Assigned client identifiers', [
      connect,
      'an empty client identifier is answered with an assigned one',
    ]),
    proved(
      'Keep alive, and the keep alive of the server',
      [connect, 'a client that is silent for one and a half times its keep alive is cut, and no earlier'],
      [connect, 'where the server sets the keep alive, CONNACK says so and the server goes by it'],
    ),
    proved(
      'QoS 0, 1 and 2, and what was not acknowledged is sent again with its packet identifier',
      [
        delivery,
        'a client that comes back gets what it had not acknowledged, with the same packet identifiers, in order',
      ],
      [
        delivery,
        'until its PUBREL a QoS 2 message that comes again is answered again and not delivered again',
      ],
    ),
    proved(
      'Receive maximum both ways',
      [delivery, 'no more messages of QoS 1 and 2 are in flight than the client takes, and QoS 0 goes on'],
      [delivery, 'a client that sends more than the Receive Maximum of the server is disconnected'],
    ),
    proved('Order of messages to one topic', [publish, 'messages of one topic keep their order']),
    proved(
      'Payload format, content type, response topic, correlation data and user properties are passed on',
      [publish, 'payload format indicator and the other properties reach every subscriber as they came'],
    ),
    proved(
      'Message expiry',
      [publish, 'a message whose expiry has passed is not delivered'],
      [publish, 'the expiry interval that is passed on is less what the message has waited'],
    ),
    proved('A message expiry interval of 0 never expires', [
      strict,
      'a message expiry interval of 0 never expires, as the service has it, and is not passed on',
    ]),
    proved(
      'Topic aliases both ways',
      [publish, 'every alias up to the maximum is taken, and stands for its topic name from then on'],
      [
        publish,
        'aliases towards a client are never above the maximum that it said, and stand for the right names',
      ],
    ),
    proved(
      'Maximum packet size both ways',
      [connect, 'a packet above the maximum size that CONNACK said ends the connection'],
      [publish, 'a message that is larger than the client takes is not sent to it, and counts as delivered'],
    ),
    proved(
      'Wildcards, and topic names that begin with $',
      [publish, '# matches its parent and whatever is below it, and stands last alone'],
      [publish, 'a filter that begins with a wildcard does not match topic names that begin with $'],
    ),
    proved(
      'No local, retain as published, retain handling and subscription identifiers',
      [subscribe, 'with No Local a client does not get its own messages'],
      [subscribe, 'with Retain As Published, RETAIN is as it was published'],
      [subscribe, 'with Retain Handling 1 only a new subscription gets retained messages'],
      [subscribe, 'a message that matched several subscriptions has the identifiers of all'],
    ),
    proved(
      'Retained messages',
      [subscribe, 'a new subscription gets the retained messages that match, with RETAIN'],
      [subscribe, 'an empty retained publish removes what was retained, and is itself not retained'],
    ),
    {
      rule: 'Shared subscriptions',
      note: 'Azure refuses them; here in the profile `strict` alone',
      provedBy: [
        [
          subscribe,
          'each message goes to one member of a shared subscription, with the QoS that it was granted',
        ],
        [strict, 'a shared subscription is refused'],
      ],
    },
    proved(
      'Wills, with delay',
      [wills, 'a will is published when its connection is lost'],
      [wills, 'a delayed will is not published when the client is back before its delay has passed'],
      [wills, 'a delayed will is published when its session ends before its delay has passed'],
    ),
    proved('Enhanced authentication, and authentication again on the same connection', [
      authentication,
      'a client may authenticate again with its method, and goes on meanwhile',
    ]),
    proved('Messages cross between MQTT 3.1.1 and 5.0', [
      publish,
      'a message crosses between the versions: 3.1.1 gets the payload, 5.0 gets all',
    ]),
    proved(
      'MQTT over WebSocket, with the subprotocol `mqtt`',
      [listeners, 'packets may be cut anywhere across frames, and joined in one'],
      [listeners, 'a text frame ends the connection'],
    ),
    proved('Sessions, their messages and retained messages outlive the process', [
      server,
      'a session, what waits for it and what is retained outlive kill -9',
    ]),
    {
      rule: 'QoS 2, subscription identifiers and user properties outside of PUBLISH are refused',
      note: 'in the profile `strict`; `open`, the default, has all of MQTT',
      provedBy: [
        [strict, 'a message with QoS 2 ends the connection'],
        [strict, 'in strict, a subscription identifier ends the connection'],
        [
          strict,
          'in strict, user properties are taken in PUBLISH and wills, and anywhere else they end the connection',
        ],
      ],
    },
    {
      rule: 'Limits of topics, properties, packets, subscriptions, sessions and what waits for them',
      note: 'in the profile `strict`; each can be set by itself',
      provedBy: [
        [strict, 'a topic name has at most 8 segments and 256 bytes'],
        [strict, 'in strict, properties of a message have their bounds'],
        [strict, 'a session has at most 50 subscriptions, and one that is there may be made again'],
        [strict, 'a session for which more than 100 messages wait ends, and a connected client is told 0x97'],
        [strict, 'a session name belongs to the client that has it, away or not'],
      ],
    },
    proved(
      '`busbar mqtt`: clients, sessions, disconnect, retained, pub, sub and bench',
      [command, 'an operator sees clients and sessions, disconnects one, and deletes a retained message'],
      [command, 'what pub publishes sub prints, with its properties, over TCP, TLS and WebSocket'],
    ),
  ],
}
