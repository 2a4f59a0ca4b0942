import type { Clock } from './base/clock.ts'
import type { Log } from './base/log.ts'
import type { Options, Port } from './config.ts'
import { settings } from './config.ts'
import type { HttpRequest, Upgrade } from './http/http.ts'
import type { Peer } from './http/peer.ts'
import type { Broker } from './mqtt/broker.ts'
import type { BrokerRealm } from './mqtt/broker-realm.ts'
import { listenMqtt, type MqttListener } from './mqtt/listeners/tcp.ts'
import { createWebSocketUpgrade } from './mqtt/listeners/websocket.ts'

/*
 * The broker's listeners: MQTT, MQTT over TLS, and WebSocket on the HTTP listeners. A client's realm is the one that
 * has the name it asked for; where there is only one, it is that one, whatever the name.
 */

export interface MqttServer {
  /** `mqtt://host:port`; undefined where the listener is off. */
  readonly mqtt: string | undefined
  readonly mqtts: string | undefined
  renew(tls: { readonly cert: string; readonly key: string }): void
  close(graceMs: number): Promise<void>
}

export interface MqttServerOptions {
  readonly broker: Broker
  readonly options: Options
  readonly tls: { readonly cert: string; readonly key: string }
  readonly clock: Clock
  readonly log: Log
  /** What to say of a port that cannot be had. */
  readonly cannotListen: (error: NodeJS.ErrnoException, host: string, port: number, flag: string) => Error
}

export async function openMqttListeners(needs: MqttServerOptions): Promise<MqttServer> {
  const { broker, options, tls, clock, log, cannotListen } = needs
  const { host, mqtt, mqttPortsByDefault } = options
  const open = async (port: Port, flag: string, isTls: boolean): Promise<MqttListener | undefined> => {
    if (port === 'off') return undefined
    try {
      return await listenMqtt({
        ...{ host, port, broker, clock, connections: mqtt.connections, proxyProtocol: mqtt.proxyProtocol },
        realmOf: (name) => realmOf(broker, name),
        ...(isTls && { tls }),
      })
    } catch (error) {
      const refusal = cannotListen(error as NodeJS.ErrnoException, host, port, flag)
      if (!mqttPortsByDefault || (error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw refusal
      // Nobody asked for it: another broker may well be there.
      log.warn(`No MQTT listener: ${refusal.message}`)
      return undefined
    }
  }
  const plain = await open(options.mqttPort, settings.mqttPort.flag, false)
  const secure = await open(options.mqttsPort, settings.mqttsPort.flag, true).catch(
    async (error: unknown) => {
      await plain?.close(0)
      throw error
    },
  )
  return {
    mqtt: plain?.url,
    mqtts: secure?.url,
    renew: (next) => secure?.renew(next),
    async close(graceMs) {
      plain?.stop()
      secure?.stop()
      await broker.close()
      await Promise.all([plain?.close(graceMs), secure?.close(graceMs)])
    },
  }
}

/**
 * @param peerOf who is behind the proxies that are trusted
 * @param allowsOrigin whether a page of that origin may connect
 */
export const createMqttUpgrade = (
  broker: Broker,
  peerOf: (request: HttpRequest) => Peer,
  allowsOrigin: (origin: string) => boolean,
): Upgrade =>
  createWebSocketUpgrade({
    ...{ broker, allowsOrigin },
    realmOf: (name, path) => realmOf(broker, name, path),
    // No packet is larger, in whatever realm.
    frameBytes: 268_435_455,
    // Of IoT hubs, as their clients ask for it.
    ownPaths: ['/$iothub/websocket', '/%24iothub/websocket'],
    addressOf: ({ headers, socket }) => {
      const { remoteAddress = '' } = socket
      return peerOf({ headers, remoteAddress, tlsVersion: undefined } as HttpRequest).address
    },
  })

/**
 * By name or path, or the only one there is. Clients that a realm claims by their user names come by any name; where
 * there is no other, they are in one of those until their CONNECT says which is theirs.
 */
function realmOf(broker: Broker, name: string | undefined, path = ''): BrokerRealm | undefined {
  let only: BrokerRealm | undefined
  let claiming: BrokerRealm | undefined
  let count = 0
  for (const each of broker.realms) {
    if (path === '' ? name !== undefined && each.realm.hosts.includes(name) : each.realm.path === path)
      return each
    if (each.realm.claims) {
      claiming ??= each
      continue
    }
    only = each
    count++
  }
  if (path !== '') return undefined
  return count === 1 ? only : claiming
}
