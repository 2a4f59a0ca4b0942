import { proved, type Section } from '../rule.ts'

const listeners = 'src/mqtt/listeners/listeners.test.ts'
const ends = 'src/mqtt/disconnections.test.ts'
const slow = 'src/mqtt/slow-clients.test.ts'
const server = 'test/mqtt/operations.test.ts'
const broker = 'src/mqtt/broker.test.ts'
const strict = 'src/mqtt/strict.test.ts'
const matching = 'src/mqtt/matching.test.ts'

export const mqttConnections: Section = {
  title: 'MQTT broker: connections and sessions',
  source:
    'learn.microsoft.com/azure/event-grid/mqtt-support, mqtt-overview, mqtt-client-life-cycle-events, monitor-mqtt-delivery-reference',
  rules: [
    proved('MQTT 3.1.1 and 5.0 over TCP, TLS and WebSocket, at one namespace', [
      server,
      'without credentials, namespace dev is made and takes messages over TCP, TLS and WebSocket',
    ]),
    proved('TLS 1.2 and 1.3; a client certificate is asked for, and judged at CONNECT', [
      listeners,
      'a certificate of a client is handed on, whoever signed it',
    ]),
    proved('The TLS server name decides the namespace', [
      listeners,
      'the name that a TLS client asks for decides its realm, and one of no realm is closed',
    ]),
    proved('WebSocket: binary frames, cut anywhere; a close frame is a leave in good order', [
      listeners,
      'packets may be cut anywhere across frames, and joined in one',
    ]),
    proved('A WebSocket text frame ends the connection', [listeners, 'a text frame ends the connection']),
    proved('Each of the eleven disconnection reasons', [ends, 'every reason has a situation here']),
    proved('A client that was refused raises no life-cycle event', [
      ends,
      'a client that was not let in has neither connected nor disconnected',
    ]),
    proved('A session of which too much waits ends with all it has', [
      ends,
      'what a session that overflows had is gone, and its client may begin a new one',
    ]),
    proved('Message expiry interval 0 means never', [
      broker,
      'a message with expiry interval 0 never expires, and is forwarded without it',
    ]),
    proved(
      'The strict profile: CONNACK says that QoS 2, shared subscriptions and subscription identifiers are not there',
      [strict, 'CONNACK says what is not available'],
    ),
    proved('The strict profile: sixteen unacknowledged messages towards a client', [
      strict,
      'sixteen messages of QoS 1 are in flight towards a client, and no more',
    ]),
    proved(
      'The strict profile: user properties outside of PUBLISH, negative acknowledgements, retained messages over 64 KiB, topic aliases above 10 and names over their bounds are refused',
      [strict, 'user properties in SUBSCRIBE, UNSUBSCRIBE and DISCONNECT end the connection'],
    ),
    proved('Each limit of MQTT can be set by itself', [
      strict,
      'each limit and feature can be set by itself',
    ]),
    proved('Wildcards in topic filters', [
      matching,
      'a topic name finds every subscription whose filter matches it, and no other',
    ]),
    proved(
      'Messages of QoS 1 wait for a client that reads slowly; those of QoS 0 may be lost, and are counted',
      [slow, 'messages of QoS 1 for a client that does not read wait for it, in order'],
    ),
    proved('Persistent sessions, what waits for them, and retained messages outlive a restart', [
      server,
      'what waits for an absent client, and what is retained, is there after a restart',
    ]),
  ],
}
