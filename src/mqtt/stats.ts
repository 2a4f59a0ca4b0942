import { type Labels, Metrics } from '../base/metrics.ts'

/*
 * What a realm counts. What happens with every packet is a plain number, read when the metrics are asked for; what
 * happens rarely is counted where the metrics are.
 *
 * Source: learn.microsoft.com/azure/event-grid/monitor-mqtt-delivery-reference, "Metrics"
 */

/** Dimension Protocol; a connection knows the place of its own in this list. */
export const protocols = ['MQTT3', 'MQTT5', 'MQTT3-WS', 'MQTT5-WS', 'http-publish'] as const
export const httpPublish = 4

/** Dimension Error. */
export type MetricError =
  | 'QuotaExceeded'
  | 'AuthenticationError'
  | 'AuthorizationError'
  | 'ClientError'
  | 'ServiceError'

/** Dimension OperationType. */
export type Operation = 'Publish' | 'Deliver' | 'Subscribe' | 'Unsubscribe' | 'Connect'

export type DropReason = 'SessionExpiry' | 'TransientSession' | 'SessionOverflow' | 'AuthorizationError'

export type Throttle =
  | 'InboundBandwidthPerNamespace'
  | 'InboundBandwidthPerConnection'
  | 'IncomingPublishPacketsPerNamespace'
  | 'IncomingPublishPacketsPerConnection'
  | 'SubscribeOperationsPerNamespace'
  | 'SubscribeOperationsPerConnection'
  | 'ConnectPacketsPerNamespace'

const count = protocols.length

export class Stats {
  readonly connections = new Float64Array(count)
  /** By protocol and QoS: `protocol * 3 + qos`. */
  readonly published = new Float64Array(count * 3)
  readonly delivered = new Float64Array(count * 3)
  inboundBytes = 0
  outboundBytes = 0
  /** QoS 0 messages that a slow client did not get. */
  droppedQos0 = 0
  /** Messages that expired while they waited. */
  expired = 0
  /** Messages larger than their client takes. */
  tooLarge = 0
  readonly #metrics: Metrics
  readonly #namespace: string

  constructor(metrics = new Metrics(), namespace = '') {
    this.#metrics = metrics
    this.#namespace = namespace
    const labels = { namespace }
    const bytes = 'Bytes of MQTT, failed requests included.'
    const traffic = 'busbar_mqtt_bytes_total'
    metrics.counterOf(traffic, bytes, () => this.inboundBytes, { ...labels, direction: 'Inbound' })
    metrics.counterOf(traffic, bytes, () => this.outboundBytes, { ...labels, direction: 'Outbound' })
    metrics.counterOf(
      'busbar_mqtt_dropped_messages_total',
      'QoS 0 messages that a client did not get because it reads too slowly.',
      () => this.droppedQos0,
      labels,
    )
    metrics.counterOf(
      'busbar_mqtt_expired_messages_total',
      'Messages that expired while they waited for a client.',
      () => this.expired,
      labels,
    )
    metrics.counterOf(
      'busbar_mqtt_oversized_messages_total',
      'Messages that a client did not get because it takes no packet of that size.',
      () => this.tooLarge,
      labels,
    )
    for (const [place, protocol] of protocols.entries()) {
      metrics.gauge('busbar_mqtt_connections', 'Open connections.', () => this.connections[place] as number, {
        ...labels,
        protocol,
      })
      for (const qos of [0, 1, 2]) {
        const series = { ...labels, protocol, qos: String(qos) }
        const at = place * 3 + qos
        metrics.counterOf(
          'busbar_mqtt_published_messages_total',
          'Messages accepted from clients.',
          () => this.published[at] as number,
          series,
        )
        metrics.counterOf(
          'busbar_mqtt_delivered_messages_total',
          'Messages sent to clients, acknowledged or not.',
          () => this.delivered[at] as number,
          series,
        )
      }
    }
  }

  /** The namespace is gone, and its series with it. */
  close(): void {
    this.#metrics.forget('namespace', this.#namespace)
  }

  publishError(protocol: number, qos: number, error: MetricError): void {
    this.#count('busbar_mqtt_publish_fail_total', 'Messages that were not accepted.', {
      ...{ protocol: protocols[protocol] as string, qos: String(qos), error },
    })
  }

  /** A request that succeeded, but for the messages, which are counted by themselves. */
  done(protocol: number, operation: Operation): void {
    this.#request(protocol, operation, { result: 'Success', error: '' })
  }

  failed(protocol: number, operation: Operation, error: MetricError): void {
    this.#request(protocol, operation, {
      ...{ result: error === 'ServiceError' ? 'ServiceError' : 'ClientError', error },
    })
  }

  #request(protocol: number, operation: Operation, result: Labels): void {
    this.#count('busbar_mqtt_requests_total', 'Requests other than messages, by what came of them.', {
      ...{ operation, protocol: protocols[protocol] as string },
      ...result,
    })
  }

  /** One filter of a SUBSCRIBE or UNSUBSCRIBE. */
  subscription(protocol: number, unsubscribe: boolean): void {
    this.#count('busbar_mqtt_subscription_operations_total', 'Filters subscribed to and unsubscribed from.', {
      ...{ operation: unsubscribe ? 'Unsubscribe' : 'Subscribe', protocol: protocols[protocol] as string },
    })
  }

  subscriptionError(protocol: number, unsubscribe: boolean, error: MetricError): void {
    this.#count('busbar_mqtt_subscription_fail_total', 'Filters that were refused.', {
      ...{ operation: unsubscribe ? 'Unsubscribe' : 'Subscribe', protocol: protocols[protocol] as string },
      error,
    })
  }

  dropped(reason: DropReason): void {
    this.#count('busbar_mqtt_dropped_sessions_total', 'Sessions that ended with what they had.', { reason })
  }

  throttle(kind: Throttle): void {
    this.#count('busbar_mqtt_throttled_total', 'Times that a rate was over its limit.', { kind })
  }

  #count(name: string, help: string, labels: Labels): void {
    this.#metrics.counter(name, help, { namespace: this.#namespace, ...labels }).add()
  }
}
