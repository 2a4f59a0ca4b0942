/**
 * What the MQTT broker bounds. Two profiles set them: `open`, in which MQTT is what the standards say, and `strict`,
 * in which the service's own limits hold. Each may be set by itself; 0 means no limit where it says so.
 *
 * Source: learn.microsoft.com/azure/event-grid/quotas-limits and mqtt-support
 */
export interface MqttLimits {
  /** Both ways; larger inbound packets end the connection with 0x95. */
  readonly packetBytes: number
  /** From the accepted connection to its CONNECT. */
  readonly connectMs: number
  readonly keepAliveSeconds: number
  /** Bytes of a client identifier. */
  readonly clientIdBytes: number
  readonly topicBytes: number
  /** Levels of a topic name or filter. */
  readonly topicSegments: number
  readonly responseTopicBytes: number
  readonly contentTypeBytes: number
  readonly correlationDataBytes: number
  /** Names and values together, of one packet. */
  readonly userPropertyBytes: number
  readonly authenticationDataBytes: number
  /** Topic aliases that a client may set. */
  readonly topicAliases: number
  /** Topic aliases that the broker sets towards a client that allows them. */
  readonly outboundTopicAliases: number
  /** Unacknowledged QoS 1 and 2 messages that a client may have sent. */
  readonly receiveMaximum: number
  /** Unacknowledged QoS 1 and 2 messages towards a client, if it does not ask for fewer. */
  readonly outboundInFlight: number
  /** Messages of QoS 1 and 2 that wait for a session, those in flight included; one more ends it. */
  readonly sessionQueueMessages: number
  readonly sessionQueueBytes: number
  /** Bytes that wait for a client's socket before QoS 0 messages to it are dropped. */
  readonly outputBytes: number
  /** A client that takes nothing of what waits for it for so long is cut. */
  readonly outputStallMs: number
  readonly sessionExpirySeconds: number
  readonly willDelaySeconds: number
  readonly filtersPerSubscribe: number
  readonly subscriptionsPerSession: number
  readonly subscriptionsPerNamespace: number
  /** Sessions of one authentication name, online and offline. */
  readonly sessionsPerClient: number
  /** Sessions of the namespace, online and offline. */
  readonly sessions: number
  readonly retainedMessages: number
  readonly retainedBytes: number
  readonly retainedMessageBytes: number
  // Rates, per second; 0: none.
  readonly connectsPerSecond: number
  readonly publishesPerSecond: number
  readonly publishBytesPerSecond: number
  readonly sessionPublishesPerSecond: number
  readonly sessionPublishBytesPerSecond: number
  readonly subscribesPerSecond: number
  readonly sessionSubscribesPerSecond: number
  readonly retainedPerSecond: number
  /** Events of one client that its trace keeps, and clients of which one is kept. */
  readonly traceEvents: number
  readonly traceClients: number
}

/** Which features are there at all. `strict` is what the service offers. */
export interface MqttFeatures {
  readonly maximumQos: 1 | 2
  readonly retain: boolean
  readonly sharedSubscriptions: boolean
  readonly subscriptionIdentifiers: boolean
  /** Client identifiers of no length from 3.1.1 clients. */
  readonly assignedClientIdFor311: boolean
  /** User properties in packets other than PUBLISH are ignored; false: they end the connection with 0x83. */
  readonly userPropertiesAnywhere: boolean
  /** A negative acknowledgement counts as one; false: it ends the connection. */
  readonly negativeAcknowledgements: boolean
  /** 3.1.1 clients keep the keep-alive that they ask for, whatever it is. */
  readonly anyKeepAliveFor311: boolean
  /** A WebSocket without a subprotocol is taken. */
  readonly webSocketWithoutSubprotocol: boolean
  /** Topic names that begin with `$` may be published to. */
  readonly reservedTopics: boolean
  /** Message expiry interval 0 means never, as the service has it; false: at once, as the standard has it. */
  readonly expiryZeroIsNever: boolean
}

export type Profile = 'open' | 'strict'

const strictLimits: MqttLimits = {
  packetBytes: 524_288,
  connectMs: 10_000,
  keepAliveSeconds: 1_160,
  clientIdBytes: 128,
  topicBytes: 256,
  topicSegments: 8,
  responseTopicBytes: 256,
  contentTypeBytes: 256,
  correlationDataBytes: 256,
  userPropertyBytes: 32_768,
  authenticationDataBytes: 8_192,
  topicAliases: 10,
  outboundTopicAliases: 0,
  receiveMaximum: 1_000,
  outboundInFlight: 16,
  sessionQueueMessages: 100,
  sessionQueueBytes: 1_048_576,
  outputBytes: 4_194_304,
  outputStallMs: 60_000,
  sessionExpirySeconds: 3_600,
  willDelaySeconds: 300,
  filtersPerSubscribe: 10,
  subscriptionsPerSession: 50,
  subscriptionsPerNamespace: 1_000_000,
  sessionsPerClient: 1,
  sessions: 10_000,
  retainedMessages: 10_000,
  retainedBytes: 671_088_640,
  retainedMessageBytes: 65_536,
  connectsPerSecond: 200,
  publishesPerSecond: 1_000,
  publishBytesPerSecond: 1_048_576,
  sessionPublishesPerSecond: 1_000,
  sessionPublishBytesPerSecond: 1_048_576,
  subscribesPerSecond: 200,
  sessionSubscribesPerSecond: 5,
  retainedPerSecond: 100,
  traceEvents: 64,
  traceClients: 10_000,
}

const openLimits: MqttLimits = {
  ...strictLimits,
  packetBytes: 1_048_576,
  clientIdBytes: 65_535,
  topicBytes: 65_535,
  topicSegments: 128,
  responseTopicBytes: 65_535,
  contentTypeBytes: 65_535,
  correlationDataBytes: 65_535,
  userPropertyBytes: 1_048_576,
  authenticationDataBytes: 65_535,
  topicAliases: 100,
  outboundTopicAliases: 10,
  receiveMaximum: 65_535,
  outboundInFlight: 100,
  sessionQueueMessages: 1_000_000,
  sessionQueueBytes: 104_857_600,
  sessionExpirySeconds: 28_800,
  filtersPerSubscribe: 1_000,
  subscriptionsPerSession: 10_000,
  subscriptionsPerNamespace: 10_000_000,
  sessionsPerClient: 1_000_000,
  sessions: 1_000_000,
  retainedMessages: 1_000_000,
  retainedMessageBytes: 1_048_576,
  connectsPerSecond: 0,
  publishesPerSecond: 0,
  publishBytesPerSecond: 0,
  sessionPublishesPerSecond: 0,
  sessionPublishBytesPerSecond: 0,
  subscribesPerSecond: 0,
  sessionSubscribesPerSecond: 0,
  retainedPerSecond: 0,
}

export const mqttLimits: Readonly<Record<Profile, MqttLimits>> = { open: openLimits, strict: strictLimits }

export const mqttFeatures: Readonly<Record<Profile, MqttFeatures>> = {
  open: {
    maximumQos: 2,
    retain: true,
    sharedSubscriptions: true,
    subscriptionIdentifiers: true,
    assignedClientIdFor311: true,
    userPropertiesAnywhere: true,
    negativeAcknowledgements: true,
    anyKeepAliveFor311: true,
    webSocketWithoutSubprotocol: true,
    reservedTopics: true,
    expiryZeroIsNever: true,
  },
  strict: {
    maximumQos: 1,
    retain: true,
    sharedSubscriptions: false,
    subscriptionIdentifiers: false,
    assignedClientIdFor311: false,
    userPropertiesAnywhere: false,
    negativeAcknowledgements: false,
    anyKeepAliveFor311: false,
    webSocketWithoutSubprotocol: false,
    reservedTopics: false,
    expiryZeroIsNever: true,
  },
}

interface Range {
  readonly least: number
  readonly most: number
}

/** What each limit may be set to; where 0 is the least, it means none, or not at all. */
export const mqttLimitRanges: Readonly<Record<keyof MqttLimits, Range>> = {
  // Remaining Length ends there.
  packetBytes: { least: 1_024, most: 268_435_455 },
  connectMs: { least: 100, most: 600_000 },
  keepAliveSeconds: { least: 1, most: 65_535 },
  clientIdBytes: { least: 1, most: 65_535 },
  topicBytes: { least: 1, most: 65_535 },
  topicSegments: { least: 1, most: 65_535 },
  responseTopicBytes: { least: 1, most: 65_535 },
  contentTypeBytes: { least: 0, most: 65_535 },
  correlationDataBytes: { least: 0, most: 65_535 },
  userPropertyBytes: { least: 0, most: 268_435_455 },
  authenticationDataBytes: { least: 0, most: 65_535 },
  topicAliases: { least: 0, most: 65_535 },
  outboundTopicAliases: { least: 0, most: 65_535 },
  receiveMaximum: { least: 1, most: 65_535 },
  outboundInFlight: { least: 1, most: 65_535 },
  sessionQueueMessages: { least: 1, most: 1_000_000_000 },
  sessionQueueBytes: { least: 1, most: Number.MAX_SAFE_INTEGER },
  outputBytes: { least: 65_536, most: 1_073_741_824 },
  outputStallMs: { least: 1_000, most: 3_600_000 },
  sessionExpirySeconds: { least: 0, most: 4_294_967_295 },
  willDelaySeconds: { least: 0, most: 4_294_967_295 },
  filtersPerSubscribe: { least: 1, most: 1_000_000 },
  subscriptionsPerSession: { least: 1, most: 1_000_000_000 },
  subscriptionsPerNamespace: { least: 1, most: 1_000_000_000 },
  sessionsPerClient: { least: 1, most: 1_000_000_000 },
  sessions: { least: 1, most: 1_000_000_000 },
  retainedMessages: { least: 0, most: 1_000_000_000 },
  retainedBytes: { least: 0, most: Number.MAX_SAFE_INTEGER },
  retainedMessageBytes: { least: 0, most: 268_435_455 },
  connectsPerSecond: { least: 0, most: 1_000_000_000 },
  publishesPerSecond: { least: 0, most: 1_000_000_000 },
  publishBytesPerSecond: { least: 0, most: Number.MAX_SAFE_INTEGER },
  sessionPublishesPerSecond: { least: 0, most: 1_000_000_000 },
  sessionPublishBytesPerSecond: { least: 0, most: Number.MAX_SAFE_INTEGER },
  subscribesPerSecond: { least: 0, most: 1_000_000_000 },
  sessionSubscribesPerSecond: { least: 0, most: 1_000_000_000 },
  retainedPerSecond: { least: 0, most: 1_000_000_000 },
  traceEvents: { least: 0, most: 10_000 },
  traceClients: { least: 0, most: 10_000_000 },
}
