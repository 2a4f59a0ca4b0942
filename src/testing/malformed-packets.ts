import type { ProtocolVersion } from '../mqtt/packets/packet.ts'
import { type PropertyName, propertyIds } from '../mqtt/packets/properties.ts'
import { bytes, packet, properties, property, text, uint16, uint32 } from './mqtt-bytes.ts'

/*
 * Every way in which a packet from a client can break the standards by its bytes alone, with the reason code and the
 * normative statement: for the decoder, and for the running broker.
 */

export interface MalformedCase {
  /** Completes "is refused:". */
  readonly what: string
  readonly version: ProtocolVersion
  /** Whether these bytes come as the first of the connection, or after a CONNECT that was accepted. */
  readonly when: 'first' | 'connected'
  readonly bytes: Buffer
  readonly reasonCode: number
  readonly clause: string
  /** For a first packet: the version in which the client can be answered, and none when it has said none. */
  readonly answerIn?: ProtocolVersion | undefined
}

const malformed = 0x81
const protocolError = 0x82
const topicNameInvalid = 0x90

export const malformedPackets = (): readonly MalformedCase[] => [
  ...fixedHeaders(4),
  ...fixedHeaders(5),
  ...connects(4),
  ...connects(5),
  ...otherProtocols(),
  ...texts(4),
  ...texts(5),
  ...publishes(4),
  ...publishes(5),
  ...packetIds(4),
  ...packetIds(5),
  ...subscribes(4),
  ...subscribes(5),
  ...endings(4),
  ...endings(5),
  ...reasonCodes(),
  ...misplacedProperties(),
  ...repeatedProperties(),
  ...outOfRangeProperties(),
  ...brokenProperties(),
]

/** In 3.1.1 there are none; in 5.0 their length. */
function none(version: ProtocolVersion): Buffer {
  return version === 5 ? Buffer.of(0) : Buffer.alloc(0)
}

function fixedHeaders(version: ProtocolVersion): MalformedCase[] {
  const flagged = { what: '', version, when: 'connected', reasonCode: malformed } as const
  const five = version === 5
  const clause = five ? 'MQTT-2.1.3-1' : 'MQTT-2.2.2-2'
  const bodies: readonly [name: string, first: number, allowed: number, body: Buffer][] = [
    ['PUBACK', 0x40, 0, uint16(1)],
    ['PUBREC', 0x50, 0, uint16(1)],
    ['PUBREL', 0x60, 2, uint16(1)],
    ['PUBCOMP', 0x70, 0, uint16(1)],
    ['SUBSCRIBE', 0x80, 2, bytes(uint16(1), none(version), text('a'), 0)],
    ['UNSUBSCRIBE', 0xa0, 2, bytes(uint16(1), none(version), text('a'))],
    ['PINGREQ', 0xc0, 0, bytes()],
    ['DISCONNECT', 0xe0, 0, bytes()],
    ...(five
      ? [
          ['AUTH', 0xf0, 0, bytes(0x19, properties(property('authenticationMethod')))] as [
            string,
            number,
            number,
            Buffer,
          ],
        ]
      : []),
  ]
  const wrongFlags = bodies.flatMap(([name, first, allowed, body]) =>
    [0, 1, 2, 4, 8, 15]
      .filter((flags) => flags !== allowed)
      .map(
        (flags): MalformedCase => ({
          ...flagged,
          what: `${name} with the flags ${flags}`,
          bytes: packet(first | flags, body),
          clause,
        }),
      ),
  )
  const foreign: readonly [name: string, bytes: Buffer][] = [
    ['CONNACK', packet(0x20, 0, 0, none(version))],
    ['SUBACK', packet(0x90, uint16(1), none(version), 0)],
    ['UNSUBACK', packet(0xb0, uint16(1), none(version), five ? 0 : bytes())],
    ['PINGRESP', packet(0xd0)],
  ]
  return [
    ...wrongFlags,
    {
      ...flagged,
      what: 'the packet type 0',
      bytes: packet(0x00),
      clause: five ? 'MQTT 5.0, 2.1.2' : 'MQTT 3.1.1, 2.2.1',
    },
    ...(five
      ? []
      : [{ ...flagged, what: 'the packet type 15', bytes: packet(0xf0), clause: 'MQTT 3.1.1, 2.2.1' }]),
    {
      ...flagged,
      what: 'a Remaining Length of five bytes',
      bytes: bytes(0x30, 0x80, 0x80, 0x80, 0x80, 0x01),
      clause: five ? 'MQTT 5.0, 1.5.5' : 'MQTT 3.1.1, 2.2.3',
    },
    ...(five
      ? [
          {
            ...flagged,
            what: 'a Remaining Length longer than it needs to be',
            bytes: bytes(0xc0, 0x80, 0x00),
            clause: 'MQTT-1.5.5-1',
          },
        ]
      : []),
    ...foreign.map(
      ([name, sent]): MalformedCase => ({
        ...flagged,
        what: `${name}, which only a server sends`,
        bytes: sent,
        reasonCode: protocolError,
        clause: 'MQTT 5.0, 2.1.2',
      }),
    ),
    {
      ...flagged,
      what: 'a second CONNECT',
      bytes: connect(version),
      reasonCode: protocolError,
      clause: 'MQTT-3.1.0-2',
    },
    ...[
      ['PUBLISH', packet(0x30, text('a'))] as const,
      ['SUBSCRIBE', packet(0x82, uint16(1), text('a'), 0)] as const,
      ['PINGREQ', packet(0xc0)] as const,
      ['DISCONNECT', packet(0xe0)] as const,
    ].map(
      ([name, sent]): MalformedCase => ({
        what: `${name} before CONNECT`,
        version,
        when: 'first',
        bytes: sent,
        reasonCode: protocolError,
        clause: 'MQTT-3.1.0-1',
      }),
    ),
  ]
}

interface ConnectParts {
  readonly name?: string
  readonly level?: number
  readonly flags?: number
  readonly properties?: Buffer
  readonly clientId?: Buffer
  /** What follows the client id. */
  readonly payload?: Buffer
}

function connect(version: ProtocolVersion, parts: ConnectParts = {}): Buffer {
  const {
    name = 'MQTT',
    level = version,
    flags = 0x02,
    clientId = text('malformed'),
    payload = bytes(),
  } = parts
  const middle = parts.properties ?? none(version)
  return packet(0x10, text(name), level, flags, uint16(60), middle, clientId, payload)
}

function connects(version: ProtocolVersion): MalformedCase[] {
  const five = version === 5
  const first = { version, when: 'first', answerIn: version, reasonCode: malformed } as const
  const will = (topic: Buffer, payload = text('gone')) => bytes(none(version), topic, payload)
  return [
    {
      ...first,
      what: 'the reserved flag of CONNECT',
      bytes: connect(version, { flags: 0x03 }),
      clause: 'MQTT-3.1.2-3',
    },
    {
      ...first,
      what: 'a will QoS without a will',
      bytes: connect(version, { flags: 0x0a }),
      clause: five ? 'MQTT-3.1.2-11' : 'MQTT-3.1.2-13',
    },
    {
      ...first,
      what: 'will retain without a will',
      bytes: connect(version, { flags: 0x22 }),
      clause: five ? 'MQTT-3.1.2-13' : 'MQTT-3.1.2-15',
    },
    {
      ...first,
      what: 'a will QoS of 3',
      bytes: connect(version, { flags: 0x1e, payload: will(text('a')) }),
      clause: five ? 'MQTT-3.1.2-12' : 'MQTT-3.1.2-14',
    },
    {
      ...first,
      what: 'a will topic with a wildcard',
      bytes: connect(version, { flags: 0x06, payload: will(text('a/#')) }),
      reasonCode: topicNameInvalid,
      clause: 'MQTT-3.3.2-2',
    },
    {
      ...first,
      what: 'an empty will topic',
      bytes: connect(version, { flags: 0x06, payload: will(text('')) }),
      reasonCode: topicNameInvalid,
      clause: 'MQTT-4.7.3-1',
    },
    {
      ...first,
      what: 'a will flag without a will',
      bytes: connect(version, { flags: 0x06 }),
      clause: 'MQTT 5.0, 2.1.4',
    },
    {
      ...first,
      what: 'a user name flag without a user name',
      bytes: connect(version, { flags: 0x82 }),
      clause: 'MQTT 5.0, 2.1.4',
    },
    {
      ...first,
      what: 'a password flag without a password',
      bytes: connect(version, { flags: 0xc2, payload: text('user') }),
      clause: 'MQTT 5.0, 2.1.4',
    },
    {
      ...first,
      what: 'a user name without its flag',
      bytes: connect(version, { payload: text('user') }),
      clause: 'MQTT 5.0, 2.1.4',
    },
    {
      ...first,
      what: 'a CONNECT without a client id',
      bytes: connect(version, { clientId: bytes() }),
      clause: 'MQTT 5.0, 2.1.4',
    },
    {
      ...first,
      what: 'a client id that is not UTF-8',
      bytes: connect(version, { clientId: text([0xff]) }),
      clause: five ? 'MQTT-1.5.4-1' : 'MQTT-1.5.3-1',
    },
    {
      ...first,
      what: 'a client id with U+0000',
      bytes: connect(version, { clientId: text('a\0') }),
      clause: five ? 'MQTT-1.5.4-2' : 'MQTT-1.5.3-2',
    },
    {
      ...first,
      what: 'a user name that is not UTF-8',
      bytes: connect(version, { flags: 0x82, payload: text([0xc0, 0xaf]) }),
      clause: five ? 'MQTT-1.5.4-1' : 'MQTT-1.5.3-1',
    },
    ...(five
      ? [
          {
            ...first,
            what: 'authentication data without a method',
            bytes: connect(5, { properties: properties(property('authenticationData')) }),
            reasonCode: protocolError,
            clause: 'MQTT 5.0, 3.1.2.11.10',
          },
          {
            ...first,
            what: 'a CONNECT whose Remaining Length is longer than it needs to be',
            bytes: overlong(connect(5)),
            clause: 'MQTT-1.5.5-1',
          },
        ]
      : [
          {
            ...first,
            what: 'a password without a user name',
            bytes: connect(4, { flags: 0x42, payload: text('secret') }),
            clause: 'MQTT-3.1.2-22',
          },
        ]),
  ]
}

/** The same packet with two bytes of length instead of one. */
const overlong = (sent: Buffer) => bytes(sent.subarray(0, 1), (sent[1] as number) | 0x80, 0, sent.subarray(2))

function otherProtocols(): MalformedCase[] {
  const other = { when: 'first', reasonCode: 0x84, clause: 'MQTT-3.1.2-2' } as const
  return [
    { ...other, what: 'MQIsdp 3', version: 4, answerIn: 4, bytes: connect(4, { name: 'MQIsdp', level: 3 }) },
    { ...other, what: 'the protocol level 3', version: 4, answerIn: 4, bytes: connect(4, { level: 3 }) },
    { ...other, what: 'the protocol level 0', version: 4, answerIn: 4, bytes: connect(4, { level: 0 }) },
    { ...other, what: 'the protocol version 6', version: 5, answerIn: 5, bytes: connect(5, { level: 6 }) },
    {
      ...other,
      what: 'the protocol version 255',
      version: 5,
      answerIn: 5,
      bytes: connect(5, { level: 255 }),
    },
    {
      ...other,
      what: 'the protocol name HTTP',
      version: 4,
      bytes: connect(4, { name: 'HTTP' }),
      clause: 'MQTT-3.1.2-1',
    },
    {
      ...other,
      what: 'a CONNECT with flags in its first byte',
      version: 5,
      reasonCode: malformed,
      clause: 'MQTT-2.1.3-1',
      bytes: bytes(0x12, connect(5).subarray(1)),
    },
    {
      ...other,
      what: 'a CONNECT without anything',
      version: 5,
      reasonCode: malformed,
      clause: 'MQTT 5.0, 2.1.4',
      bytes: packet(0x10),
    },
    {
      ...other,
      what: 'a CONNECT that ends before its version',
      version: 5,
      reasonCode: malformed,
      clause: 'MQTT 5.0, 2.1.4',
      bytes: packet(0x10, text('MQTT')),
    },
    {
      ...other,
      what: 'the protocol name mqtt',
      version: 5,
      bytes: connect(5, { name: 'mqtt' }),
      clause: 'MQTT-3.1.2-1',
    },
  ]
}

/** What is no string, wherever strings stand. */
function texts(version: ProtocolVersion): MalformedCase[] {
  const notUtf8 = version === 5 ? 'MQTT-1.5.4-1' : 'MQTT-1.5.3-1'
  const notAllowed = version === 5 ? 'MQTT-1.5.4-2' : 'MQTT-1.5.3-2'
  const wrong: readonly [what: string, content: readonly number[], clause: string][] = [
    ['U+0000', [0x61, 0x00], notAllowed],
    ['U+0000 in an overlong form', [0x61, 0xc0, 0x80], notUtf8],
    ['the surrogate U+D800', [0x61, 0xed, 0xa0, 0x80], notUtf8],
    ['the surrogate U+DFFF', [0x61, 0xed, 0xbf, 0xbf], notUtf8],
    ['a pair of surrogates', [0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80], notUtf8],
    ['an overlong slash', [0xc0, 0xaf], notUtf8],
    ['a lone continuation byte', [0x61, 0x80], notUtf8],
    ['a sequence that ends early', [0x61, 0xe6, 0xb0], notUtf8],
    ['a character beyond U+10FFFF', [0xf4, 0x90, 0x80, 0x80], notUtf8],
    ['the byte 0xff', [0x61, 0xff], notUtf8],
  ]
  const places: readonly [place: string, make: (content: Buffer) => Buffer][] = [
    ['a topic name', (content) => packet(0x30, content, none(version), 0x78)],
    ['a topic filter of SUBSCRIBE', (content) => packet(0x82, uint16(1), none(version), content, 0)],
    ['a topic filter of UNSUBSCRIBE', (content) => packet(0xa2, uint16(1), none(version), content)],
    ...(version === 5
      ? ([
          [
            'the name of a user property',
            (content) => packet(0x30, text('a'), properties(0x26, content, text('b'))),
          ],
          [
            'the value of a user property',
            (content) => packet(0x30, text('a'), properties(0x26, text('b'), content)),
          ],
          ['a content type', (content) => packet(0x30, text('a'), properties(0x03, content))],
          ['a response topic', (content) => packet(0x30, text('a'), properties(0x08, content))],
          ['a reason string', (content) => packet(0xe0, 0, properties(0x1f, content))],
        ] as [string, (content: Buffer) => Buffer][])
      : []),
  ]
  return places.flatMap(([place, make]) =>
    wrong.map(
      ([what, content, clause]): MalformedCase => ({
        what: `${place} with ${what}`,
        version,
        when: 'connected',
        bytes: make(text(content)),
        reasonCode: malformed,
        clause,
      }),
    ),
  )
}

function publishes(version: ProtocolVersion): MalformedCase[] {
  const publish = { version, when: 'connected', reasonCode: malformed } as const
  const rest = none(version)
  const five = version === 5
  return [
    {
      ...publish,
      what: 'a PUBLISH with QoS 3',
      bytes: packet(0x36, text('a'), uint16(1), rest),
      clause: 'MQTT-3.3.1-4',
    },
    {
      ...publish,
      what: 'a PUBLISH with QoS 3 and DUP',
      bytes: packet(0x3e, text('a'), uint16(1), rest),
      clause: 'MQTT-3.3.1-4',
    },
    {
      ...publish,
      what: 'a PUBLISH with QoS 0 and DUP',
      bytes: packet(0x38, text('a'), rest),
      clause: 'MQTT-3.3.1-2',
    },
    ...['#', '+', 'a/#', 'a/+/b', 'a#', 'a+b'].map(
      (topicName): MalformedCase => ({
        ...publish,
        what: `a PUBLISH to ${topicName}`,
        bytes: packet(0x30, text(topicName), rest),
        reasonCode: topicNameInvalid,
        clause: 'MQTT-3.3.2-2',
      }),
    ),
    {
      ...publish,
      what: 'a PUBLISH to no topic',
      bytes: packet(0x30, text(''), rest, 0x78),
      reasonCode: protocolError,
      clause: five ? 'MQTT 5.0, 3.3.2.1' : 'MQTT-4.7.3-1',
    },
    {
      ...publish,
      what: 'a PUBLISH that ends in its topic name',
      bytes: packet(0x30, uint16(5), Buffer.from('abc')),
      clause: 'MQTT 5.0, 2.1.4',
    },
    { ...publish, what: 'a PUBLISH without anything', bytes: packet(0x30), clause: 'MQTT 5.0, 2.1.4' },
    {
      ...publish,
      what: 'a PUBLISH that ends in its packet identifier',
      bytes: packet(0x32, text('a'), 1),
      clause: 'MQTT 5.0, 2.1.4',
    },
    ...(five
      ? [
          {
            ...publish,
            what: 'a PUBLISH without properties and their length',
            bytes: packet(0x30, text('a')),
            clause: 'MQTT 5.0, 2.1.4',
          },
          ...['#', 'a/+', 'a#'].map(
            (topicName): MalformedCase => ({
              ...publish,
              what: `a PUBLISH with the response topic ${topicName}`,
              bytes: packet(0x30, text('a'), properties(0x08, text(topicName))),
              reasonCode: protocolError,
              clause: 'MQTT-3.3.2-14',
            }),
          ),
          {
            ...publish,
            what: 'a PUBLISH with an empty response topic',
            bytes: packet(0x30, text('a'), properties(0x08, text(''))),
            reasonCode: protocolError,
            clause: 'MQTT-4.7.3-1',
          },
          {
            ...publish,
            what: 'a PUBLISH with a subscription identifier',
            bytes: packet(0x30, text('a'), properties(0x0b, 1)),
            reasonCode: protocolError,
            clause: 'MQTT-3.3.4-6',
          },
        ]
      : []),
  ]
}

function packetIds(version: ProtocolVersion): MalformedCase[] {
  const zero: readonly [name: string, bytes: Buffer][] = [
    ['PUBLISH with QoS 1', packet(0x32, text('a'), uint16(0), none(version))],
    ['PUBLISH with QoS 2', packet(0x34, text('a'), uint16(0), none(version))],
    ['PUBACK', packet(0x40, uint16(0))],
    ['PUBREC', packet(0x50, uint16(0))],
    ['PUBREL', packet(0x62, uint16(0))],
    ['PUBCOMP', packet(0x70, uint16(0))],
    ['SUBSCRIBE', packet(0x82, uint16(0), none(version), text('a'), 0)],
    ['UNSUBSCRIBE', packet(0xa2, uint16(0), none(version), text('a'))],
  ]
  return zero.map(([name, sent]) => ({
    what: `${name} and the packet identifier 0`,
    version,
    when: 'connected',
    bytes: sent,
    reasonCode: protocolError,
    clause: version === 5 ? 'MQTT-2.2.1-3' : 'MQTT-2.3.1-1',
  }))
}

function subscribes(version: ProtocolVersion): MalformedCase[] {
  const five = version === 5
  const subscribe = (options: number, filter = 'a') =>
    packet(0x82, uint16(1), none(version), text(filter), options)
  const common = { version, when: 'connected', reasonCode: malformed } as const
  return [
    {
      ...common,
      what: 'a SUBSCRIBE without a topic filter',
      bytes: packet(0x82, uint16(1), none(version)),
      reasonCode: protocolError,
      clause: five ? 'MQTT-3.8.3-2' : 'MQTT-3.8.3-3',
    },
    {
      ...common,
      what: 'an UNSUBSCRIBE without a topic filter',
      bytes: packet(0xa2, uint16(1), none(version)),
      reasonCode: protocolError,
      clause: 'MQTT-3.10.3-2',
    },
    { ...common, what: 'a SUBSCRIBE to an empty filter', bytes: subscribe(0, ''), clause: 'MQTT-4.7.3-1' },
    {
      ...common,
      what: 'an UNSUBSCRIBE from an empty filter',
      bytes: packet(0xa2, uint16(1), none(version), text('')),
      clause: 'MQTT-4.7.3-1',
    },
    {
      ...common,
      what: 'a SUBSCRIBE whose filter has no options',
      bytes: packet(0x82, uint16(1), none(version), text('a')),
      clause: 'MQTT 5.0, 2.1.4',
    },
    ...(five
      ? [
          {
            ...common,
            what: 'a subscription with the maximum QoS 3',
            bytes: subscribe(3),
            reasonCode: protocolError,
            clause: 'MQTT 5.0, 3.8.3.1',
          },
          {
            ...common,
            what: 'a subscription with the retain handling 3',
            bytes: subscribe(0x30),
            reasonCode: protocolError,
            clause: 'MQTT 5.0, 3.8.3.1',
          },
          ...[0x40, 0x80, 0xc0].map(
            (options): MalformedCase => ({
              ...common,
              what: `a subscription with the reserved bits 0x${options.toString(16)}`,
              bytes: subscribe(options),
              clause: 'MQTT-3.8.3-5',
            }),
          ),
          {
            ...common,
            what: 'a shared subscription with No Local',
            bytes: subscribe(0x04, '$share/g/a'),
            reasonCode: protocolError,
            clause: 'MQTT-3.8.3-4',
          },
        ]
      : [3, 4, 8, 0x10, 0x40, 0x80].map(
          (options): MalformedCase => ({
            ...common,
            what: `a requested QoS byte of ${options}`,
            bytes: subscribe(options),
            clause: 'MQTT-3-8.3-4',
          }),
        )),
  ]
}

/** Bytes behind the end, and ends before it. */
function endings(version: ProtocolVersion): MalformedCase[] {
  const wrong: readonly [name: string, bytes: Buffer][] = [
    ['PINGREQ with a body', packet(0xc0, 0)],
    ['PUBACK of one byte', packet(0x40, 1)],
    ['PUBREC without a packet identifier', packet(0x50)],
    ['PUBREL of one byte', packet(0x62, 1)],
    ['PUBCOMP without a packet identifier', packet(0x70)],
    ['SUBSCRIBE of one byte', packet(0x82, 1)],
    ['UNSUBSCRIBE of one byte', packet(0xa2, 1)],
    ['UNSUBSCRIBE whose filter ends early', packet(0xa2, uint16(1), none(version), uint16(9), 0x61)],
    ...(version === 4
      ? ([
          ['PUBACK with a reason code', packet(0x40, uint16(1), 0)],
          ['PUBREL with a reason code', packet(0x62, uint16(1), 0)],
          ['DISCONNECT with a body', packet(0xe0, 0)],
        ] as [string, Buffer][])
      : ([
          ['PUBACK with bytes behind its properties', packet(0x40, uint16(1), 0, 0, 0)],
          ['PUBREC with bytes behind its properties', packet(0x50, uint16(1), 0, 0, 0)],
          ['PUBREL with bytes behind its properties', packet(0x62, uint16(1), 0, 0, 0)],
          ['PUBCOMP with bytes behind its properties', packet(0x70, uint16(1), 0, 0, 0)],
          ['DISCONNECT with bytes behind its properties', packet(0xe0, 0, 0, 0)],
          [
            'AUTH with bytes behind its properties',
            packet(0xf0, 0x19, properties(property('authenticationMethod')), 0),
          ],
          ['AUTH without its properties', packet(0xf0, 0x19)],
        ] as [string, Buffer][])),
  ]
  return wrong.map(([name, sent]) => ({
    what: name,
    version,
    when: 'connected',
    bytes: sent,
    reasonCode: malformed,
    clause: 'MQTT 5.0, 2.1.4',
  }))
}

function reasonCodes(): MalformedCase[] {
  const common = { version: 5, when: 'connected', reasonCode: protocolError } as const
  const wrong: readonly [name: string, first: number, codes: readonly number[], clause: string][] = [
    ['PUBACK', 0x40, [0x01, 0x7f, 0x81, 0x92, 0xff], 'MQTT-3.4.2-1'],
    ['PUBREC', 0x50, [0x01, 0x7f, 0x81, 0x92, 0xff], 'MQTT-3.5.2-1'],
    ['PUBREL', 0x62, [0x01, 0x10, 0x80, 0x91, 0xff], 'MQTT-3.6.2-1'],
    ['PUBCOMP', 0x70, [0x01, 0x10, 0x80, 0x91, 0xff], 'MQTT-3.7.2-1'],
  ]
  return [
    ...wrong.flatMap(([name, first, codes, clause]) =>
      codes.map(
        (code): MalformedCase => ({
          ...common,
          what: `${name} with the reason code 0x${code.toString(16)}`,
          bytes: packet(first, uint16(1), code),
          clause,
        }),
      ),
    ),
    ...[0x01, 0x18, 0x87, 0x8b, 0x8d, 0x8e, 0x9c, 0x9d, 0xff].map(
      (code): MalformedCase => ({
        ...common,
        what: `DISCONNECT from a client with the reason code 0x${code.toString(16)}`,
        bytes: packet(0xe0, code),
        clause: 'MQTT-3.14.2-1',
      }),
    ),
    ...[0x00, 0x01, 0x87, 0xff].map(
      (code): MalformedCase => ({
        ...common,
        what: `AUTH from a client with the reason code 0x${code.toString(16)}`,
        bytes: packet(0xf0, code, properties(property('authenticationMethod'))),
        clause: 'MQTT-3.15.2-1',
      }),
    ),
    { ...common, what: 'an AUTH without anything', bytes: packet(0xf0), clause: 'MQTT-3.15.2-1' },
    {
      ...common,
      what: 'an AUTH without a method',
      bytes: packet(0xf0, 0x19, 0),
      clause: 'MQTT 5.0, 3.15.2.2.2',
    },
  ]
}

interface Carrier {
  readonly name: string
  readonly when: MalformedCase['when']
  readonly allowed: readonly PropertyName[]
  readonly with: (section: Buffer) => Buffer
}

const message: readonly PropertyName[] = [
  'payloadFormatIndicator',
  'messageExpiryInterval',
  'contentType',
  'responseTopic',
  'correlationData',
  'userProperties',
]
const reason: readonly PropertyName[] = ['reasonString', 'userProperties']

/** Every packet of a client that carries properties. */
const carriers: readonly Carrier[] = [
  {
    name: 'CONNECT',
    when: 'first',
    allowed: [
      'sessionExpiryInterval',
      'receiveMaximum',
      'maximumPacketSize',
      'topicAliasMaximum',
      'requestResponseInformation',
      'requestProblemInformation',
      'authenticationMethod',
      'authenticationData',
      'userProperties',
    ],
    with: (section) => connect(5, { properties: section }),
  },
  {
    name: 'a will',
    when: 'first',
    allowed: [...message, 'willDelayInterval'],
    with: (section) => connect(5, { flags: 0x06, payload: bytes(section, text('a'), text('gone')) }),
  },
  {
    name: 'PUBLISH',
    when: 'connected',
    allowed: [...message, 'topicAlias', 'subscriptionIdentifiers', 'subscriptionIdentifier'],
    with: (section) => packet(0x30, text('a'), section),
  },
  {
    name: 'PUBACK',
    when: 'connected',
    allowed: reason,
    with: (section) => packet(0x40, uint16(1), 0, section),
  },
  {
    name: 'PUBREC',
    when: 'connected',
    allowed: reason,
    with: (section) => packet(0x50, uint16(1), 0, section),
  },
  {
    name: 'PUBREL',
    when: 'connected',
    allowed: reason,
    with: (section) => packet(0x62, uint16(1), 0, section),
  },
  {
    name: 'PUBCOMP',
    when: 'connected',
    allowed: reason,
    with: (section) => packet(0x70, uint16(1), 0, section),
  },
  {
    name: 'SUBSCRIBE',
    when: 'connected',
    allowed: ['subscriptionIdentifier', 'subscriptionIdentifiers', 'userProperties'],
    with: (section) => packet(0x82, uint16(1), section, text('a'), 0),
  },
  {
    name: 'UNSUBSCRIBE',
    when: 'connected',
    allowed: ['userProperties'],
    with: (section) => packet(0xa2, uint16(1), section, text('a')),
  },
  {
    name: 'DISCONNECT',
    when: 'connected',
    allowed: ['sessionExpiryInterval', ...reason],
    with: (section) => packet(0xe0, 0, section),
  },
  {
    name: 'AUTH',
    when: 'connected',
    allowed: ['authenticationMethod', 'authenticationData', ...reason],
    with: (section) => packet(0xf0, 0x19, section),
  },
]

const everyName = Object.keys(propertyIds) as PropertyName[]

function misplacedProperties(): MalformedCase[] {
  return carriers.flatMap((carrier) => {
    const misplaced = everyName.filter((name) => !carrier.allowed.includes(name))
    const place = {
      version: 5,
      when: carrier.when,
      answerIn: answerIn(carrier),
      reasonCode: malformed,
    } as const
    return [
      ...misplaced.map(
        (name): MalformedCase => ({
          ...place,
          what: `${carrier.name} with ${name}`,
          bytes: carrier.with(properties(property(name))),
          clause: 'MQTT 5.0, 2.2.2.2',
        }),
      ),
      ...[0x00, 0x04, 0x10, 0x2b, 0x7f].map(
        (id): MalformedCase => ({
          ...place,
          what: `${carrier.name} with the unknown property 0x${id.toString(16)}`,
          bytes: carrier.with(properties(id, 1)),
          clause: 'MQTT 5.0, 2.2.2.2',
        }),
      ),
    ]
  })
}

function repeatedProperties(): MalformedCase[] {
  const mayRepeat: readonly PropertyName[] = ['userProperties', 'subscriptionIdentifiers']
  return carriers.flatMap((carrier) =>
    carrier.allowed
      .filter((name) => !mayRepeat.includes(name))
      .filter((name) => carrier.name !== 'PUBLISH' || name !== 'subscriptionIdentifier')
      .map(
        (name): MalformedCase => ({
          what: `${carrier.name} with ${name} twice`,
          version: 5,
          when: carrier.when,
          answerIn: answerIn(carrier),
          bytes: carrier.with(properties(property(name), property(name))),
          reasonCode: protocolError,
          clause: '',
        }),
      ),
  )
}

function outOfRangeProperties(): MalformedCase[] {
  const wrong: readonly [name: PropertyName, value: Buffer, reasonCode: number][] = [
    ['payloadFormatIndicator', Buffer.of(2), protocolError],
    ['payloadFormatIndicator', Buffer.of(255), protocolError],
    ['requestProblemInformation', Buffer.of(2), protocolError],
    ['requestResponseInformation', Buffer.of(2), protocolError],
    ['receiveMaximum', uint16(0), protocolError],
    ['maximumPacketSize', uint32(0), protocolError],
    ['topicAlias', uint16(0), 0x94],
    ['subscriptionIdentifier', Buffer.of(0), protocolError],
    ['subscriptionIdentifier', Buffer.of(0x80, 0x80, 0x80, 0x80, 0x01), malformed],
    ['subscriptionIdentifier', Buffer.of(0x81, 0x00), malformed],
  ]
  return carriers.flatMap((carrier) =>
    wrong
      .filter(([name]) => carrier.allowed.includes(name))
      .filter(([name]) => carrier.name !== 'PUBLISH' || name !== 'subscriptionIdentifier')
      .map(
        ([name, value, reasonCode]): MalformedCase => ({
          what: `${carrier.name} with ${name} ${value.toString('hex')}`,
          version: 5,
          when: carrier.when,
          answerIn: answerIn(carrier),
          bytes: carrier.with(properties(propertyIds[name], value)),
          reasonCode,
          clause: '',
        }),
      ),
  )
}

/** Properties that end where they should not. */
function brokenProperties(): MalformedCase[] {
  return carriers.flatMap((carrier) => {
    const place = {
      version: 5,
      when: carrier.when,
      answerIn: answerIn(carrier),
      reasonCode: malformed,
    } as const
    return [
      ...carrier.allowed
        .filter((name) => carrier.name !== 'PUBLISH' || name !== 'subscriptionIdentifier')
        .map((name): MalformedCase => {
          const whole = property(name)
          return {
            ...place,
            what: `${carrier.name} whose ${name} ends early`,
            bytes: carrier.with(properties(whole.subarray(0, whole.length - 1))),
            clause: '',
          }
        }),
      {
        ...place,
        what: `${carrier.name} whose properties are longer than itself`,
        bytes: carrier.with(Buffer.of(0xff, 0x7f)),
        clause: '',
      },
    ]
  })
}

const answerIn = ({ when }: Carrier) => (when === 'first' ? 5 : undefined)
