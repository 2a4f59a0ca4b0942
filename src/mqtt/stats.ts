/*
 * What a realm counts. Plain numbers, added to on the way of every packet and read when the metrics are asked for.
 *
 * Source: learn.microsoft.com/azure/event-grid/monitor-namespace-mqtt-reference, "Metrics"
 */

/** Dimension Protocol; a connection knows the place of its own in this list. */
export const protocols = ['MQTT3', 'MQTT5', 'MQTT3-WS', 'MQTT5-WS', 'http-publish'] as const
export const httpPublish = 4

export const errors = [
  'QuotaExceeded',
  'AuthenticationError',
  'AuthorizationError',
  'ClientError',
  'ServiceError',
] as const
export type MetricError = (typeof errors)[number]

export const operations = ['Publish', 'Deliver', 'Subscribe', 'Unsubscribe', 'Connect'] as const
export type Operation = (typeof operations)[number]

export const dropReasons = [
  'SessionExpiry',
  'TransientSession',
  'SessionOverflow',
  'AuthorizationError',
] as const
export type DropReason = (typeof dropReasons)[number]

export const throttles = [
  'InboundBandwidthPerNamespace',
  'InboundBandwidthPerConnection',
  'IncomingPublishPacketsPerNamespace',
  'IncomingPublishPacketsPerConnection',
  'SubscribeOperationsPerNamespace',
  'SubscribeOperationsPerConnection',
  'ConnectPacketsPerNamespace',
] as const
export type Throttle = (typeof throttles)[number]

const table = (rows: number, columns: number) => new Float64Array(rows * columns)
const kinds = protocols.length

export class Stats {
  readonly connections = new Float64Array(kinds)
  readonly published = table(kinds, 3)
  readonly delivered = table(kinds, 3)
  /** By protocol, QoS and error. */
  readonly publishFailed = table(kinds * 3, errors.length)
  readonly requests = table(kinds, operations.length)
  /** By protocol, operation and error. */
  readonly failedRequests = table(kinds * operations.length, errors.length)
  readonly subscribed = table(kinds, 2)
  /** By protocol, subscribe or unsubscribe, and error. */
  readonly subscribeFailed = table(kinds * 2, errors.length)
  readonly droppedSessions = new Float64Array(dropReasons.length)
  readonly throttled = new Float64Array(throttles.length)
  inboundBytes = 0
  outboundBytes = 0
  /** QoS 0 messages that a slow client did not get. */
  droppedQos0 = 0
  /** Messages that expired while they waited. */
  expired = 0
  /** Messages larger than their client takes. */
  tooLarge = 0

  publishError(protocol: number, qos: number, error: MetricError): void {
    const at = (protocol * 3 + qos) * errors.length + errors.indexOf(error)
    this.publishFailed[at] = (this.publishFailed[at] as number) + 1
    this.failed(protocol, 'Publish', error)
  }

  /** A request that succeeded. */
  done(protocol: number, operation: Operation, count = 1): void {
    const at = protocol * operations.length + operations.indexOf(operation)
    this.requests[at] = (this.requests[at] as number) + count
  }

  failed(protocol: number, operation: Operation, error: MetricError): void {
    const at =
      (protocol * operations.length + operations.indexOf(operation)) * errors.length + errors.indexOf(error)
    this.failedRequests[at] = (this.failedRequests[at] as number) + 1
  }

  subscription(protocol: number, unsubscribe: boolean): void {
    const at = protocol * 2 + (unsubscribe ? 1 : 0)
    this.subscribed[at] = (this.subscribed[at] as number) + 1
  }

  subscriptionError(protocol: number, unsubscribe: boolean, error: MetricError): void {
    const at = (protocol * 2 + (unsubscribe ? 1 : 0)) * errors.length + errors.indexOf(error)
    this.subscribeFailed[at] = (this.subscribeFailed[at] as number) + 1
  }

  dropped(reason: DropReason): void {
    const at = dropReasons.indexOf(reason)
    this.droppedSessions[at] = (this.droppedSessions[at] as number) + 1
  }

  throttle(kind: Throttle): void {
    const at = throttles.indexOf(kind)
    this.throttled[at] = (this.throttled[at] as number) + 1
  }
}
