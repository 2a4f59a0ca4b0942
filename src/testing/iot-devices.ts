import { createHmac } from 'node:crypto'
import device from 'azure-iot-device'
import deviceMqtt from 'azure-iot-device-mqtt'
import type iothub from 'azure-iothub'
import { connectAsync, type IClientOptions, type MqttClient } from 'mqtt'
import { closeAfter, type Ending } from './close-after.ts'
import type { TestServer } from './test-server.ts'

export interface TestDevices {
  /** What devices connect to: `localhost:port`. */
  readonly gateway: () => string
  /** Registers it, and resolves with its primary key. */
  readonly newDevice: (t: Ending, deviceId: string) => Promise<string>
  /** The official device client, with its authority and without retries. */
  readonly clientOf: (
    t: Ending,
    connectionString: string,
    options?: device.DeviceClientOptions,
  ) => Promise<device.Client>
  readonly openDevice: (t: Ending, deviceId: string, key: string) => Promise<device.Client>
  /** A plain MQTT client as that device. */
  readonly connectRaw: (
    t: Ending,
    deviceId: string,
    password: string,
    options?: IClientOptions,
  ) => Promise<MqttClient>
  readonly isConnected: (deviceId: string) => Promise<boolean>
}

export function testDevices(server: TestServer, hostName: string, registry: iothub.Registry): TestDevices {
  const gateway = () => `localhost:${new URL(server.mqtts).port}`
  const clientOf: TestDevices['clientOf'] = async (t, connectionString, options = {}) => {
    const client = device.Client.fromConnectionString(connectionString, deviceMqtt.Mqtt)
    await client.setOptions({ ca: server.ca, ...options })
    client.setRetryPolicy({ shouldRetry: () => false, nextRetryTimeout: () => 0 })
    closeAfter(t, () => client.close().catch(() => {}))
    return client
  }
  return {
    gateway,
    clientOf,
    async newDevice(t, deviceId) {
      const { responseBody } = await registry.create({ deviceId })
      closeAfter(t, () => registry.delete(deviceId).catch(() => {}))
      return responseBody.authentication?.symmetricKey?.primaryKey as string
    },
    async openDevice(t, deviceId, key) {
      const client = await clientOf(
        t,
        `HostName=${hostName};DeviceId=${deviceId};SharedAccessKey=${key};GatewayHostName=${gateway()}`,
      )
      await client.open()
      return client
    },
    async connectRaw(t, deviceId, password, options) {
      const client = await connectAsync(`mqtts://${gateway()}`, {
        ...{ ca: server.ca, protocolVersion: 4, reconnectPeriod: 0, clientId: deviceId, password },
        username: `${hostName}/${deviceId}/?api-version=2021-04-12`,
        ...options,
      })
      closeAfter(t, () => client.endAsync(true).catch(() => {}))
      return client
    },
    isConnected: async (deviceId) =>
      (await registry.get(deviceId)).responseBody.connectionState === ('Connected' as never),
  }
}

/** A shared access signature; of a policy where one is named, else of a device. */
export function tokenOf(
  resource: string,
  key: string,
  { policy = '', expiresInSeconds = 3600 } = {},
): string {
  const sr = encodeURIComponent(resource)
  const se = Math.floor(Date.now() / 1000) + expiresInSeconds
  const sig = createHmac('sha256', Buffer.from(key, 'base64')).update(`${sr}\n${se}`).digest('base64')
  return `SharedAccessSignature sr=${sr}&sig=${encodeURIComponent(sig)}&se=${se}${policy && `&skn=${policy}`}`
}
