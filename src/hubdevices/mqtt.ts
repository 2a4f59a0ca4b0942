import type { Credentials } from './authenticate.ts'
import type { Device, DeviceLink, HubDevices } from './hub-devices.ts'
import { decodeDeviceTopic, desiredTopic, methodsFilter, methodTopic, twinAnswerTopic } from './topics.ts'
import { decodeUserName } from './user-name.ts'

/*
 * What a device and its hub say to each other over MQTT: user names, topics and payloads become what `HubDevices` knows,
 * and the other way about.
 *
 * Source: learn.microsoft.com/azure/iot/iot-mqtt-connect-to-iot-hub
 */

/** The sessions of the hub's devices; a session is called as its device. */
export interface MqttSessions {
  /** Sends at most once. False: the device is not connected, or does not listen there. */
  send(key: string, topicName: string, payload: Buffer): boolean
  /** Whether the device is connected and has subscribed so. */
  listens(key: string, filter: string): boolean
  /** Ends the connection. */
  end(key: string, text: string): void
}

export interface MqttMessage {
  readonly topicName: string
  readonly payload: Buffer
  readonly qos: number
  readonly retain: boolean
  readonly isWill?: boolean | undefined
}

/** Why a device is not let in: its user name or password, its client identifier, who it says it is, or when. */
export interface MqttRejection {
  readonly kind: 'rejected'
  readonly why: 'userName' | 'clientId' | 'credentials' | 'throttled'
  readonly text: string
}

export async function admitOverMqtt(
  devices: HubDevices,
  userName: string | undefined,
  clientId: string,
  credentials: Credentials,
): Promise<Device | MqttRejection> {
  const said = decodeUserName(userName, clientId)
  if (said === 'form')
    return rejected('userName', 'The user name must be {hub host}/{device}/?api-version=...')
  if (said === 'identifier')
    return rejected(
      'clientId',
      'The client identifier must be the {device} or {device}/{module} of the user name.',
    )
  const { host, name, modelId } = said
  if (!devices.isHubHost(host)) return rejected('credentials', `'${host}' is not the host name of this hub.`)
  const device = await devices.admit(name, credentials, modelId)
  if (!('kind' in device)) return device
  return rejected(device.why === 'form' ? 'userName' : device.why, device.text)
}

const rejected = (why: MqttRejection['why'], text: string): MqttRejection => ({
  kind: 'rejected',
  ...{ why, text },
})

export const linkOverMqtt = ({ key }: Device, sessions: MqttSessions): DeviceLink => ({
  get takesMethods() {
    return sessions.listens(key, methodsFilter)
  },
  callMethod: (method, requestId, payload) => sessions.send(key, methodTopic(method, requestId), payload),
  tellDesired: (version, patch) => {
    sessions.send(key, desiredTopic(version), patch)
  },
  end: (text) => sessions.end(key, text),
})

/**
 * Takes a message to a topic that the device may publish to. Undefined: it may be acknowledged; else when it resolves,
 * and never when it rejects.
 */
export function acceptOverMqtt(
  devices: HubDevices,
  device: Device,
  { topicName, payload, qos, retain, isWill = false }: MqttMessage,
  sessions: MqttSessions,
): Promise<void> | undefined {
  const topic = decodeDeviceTopic(device.name, topicName)
  if (!topic) return undefined
  switch (topic.kind) {
    case 'telemetry': {
      const { system, properties } = topic.bag
      const message = {
        ...{ payload, system },
        properties: {
          ...properties,
          ...(retain && { 'mqtt-retain': 'true' }),
          ...(isWill && { 'iothub-MessageType': 'Will' }),
        },
      }
      return devices.telemetry(device, message, qos > 0)
    }
    case 'methodAnswer':
      devices.methodAnswered(device, topic.requestId, topic.status, payload)
      return undefined
    default: {
      const { kind, requestId } = topic
      devices.twin(
        device,
        kind === 'twin' ? { kind: 'get' } : { kind: 'report', patch: payload },
        ({ status, version, body }) => {
          sessions.send(device.key, twinAnswerTopic(status, requestId, version), body)
        },
      )
      return undefined
    }
  }
}
