import { OperatorError } from './base/operator-error.ts'
import type { FileSections } from './config-file.ts'
import { type MqttFeatures, type MqttLimits, mqttFeatures, mqttLimits, type Profile } from './mqtt/limits.ts'

/** How the MQTT broker is reached, and what it takes. */
export interface MqttSettings {
  /** Without credentials clients are let in, and may do everything. */
  readonly anonymous: boolean
  /** Every connection of the two MQTT listeners begins with a header of the PROXY protocol. */
  readonly proxyProtocol: boolean
  /** Whether the HTTPS listener asks for a client certificate, which clients over WebSocket may prove themselves by. */
  readonly httpsClientCertificates: boolean
  /** Open connections of one MQTT listener. */
  readonly connections: number
  /** Nobody may subscribe to these topic filters, whatever the rights; one is meant as it is written. */
  readonly refusedFilters: readonly string[]
  /** In place of those that the profile has. */
  readonly limits: Partial<MqttLimits>
  readonly features: Partial<MqttFeatures>
}

export const defaultMqttConnections = 100_000

export function decodeMqtt(section: FileSections['mqtt'], anonymous: boolean): MqttSettings {
  const {
    proxyProtocol = false,
    httpsClientCertificates = true,
    connections = defaultMqttConnections,
    refusedFilters = [],
  } = section ?? {}
  return {
    ...{ anonymous, proxyProtocol, httpsClientCertificates, connections, refusedFilters },
    limits: section?.limits ?? {},
    features: section?.features ?? {},
  }
}

/** What a namespace of that profile bounds and offers, where the configuration does not say otherwise. */
export const mqttRules = (
  profile: Profile,
  { limits, features }: Pick<MqttSettings, 'limits' | 'features'>,
): { readonly profile: Profile; readonly limits: MqttLimits; readonly features: MqttFeatures } => ({
  profile,
  limits: { ...mqttLimits[profile], ...limits },
  features: { ...mqttFeatures[profile], ...features },
})

/** MQTT without TLS shows what it carries to everybody on the way. */
export const plaintextRefused = (source: string, host: string): OperatorError =>
  new OperatorError(
    `${source} opens MQTT without TLS on ${host}, which other machines can reach: leave it out, set it to off, or ` +
      `allow it with 'mqtt.plaintext: true' in the configuration file (docs/mqtt.md).`,
  )
