import assert from 'node:assert/strict'
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt'
import { issueTestCertificate, type TestCertificate } from './client-certificates.ts'
import { closeAfter, type Ending } from './close-after.ts'
import type { TestServer } from './test-server.ts'

/** A namespace with an MQTT broker, on a server that runs. */
export interface TestNamespace {
  readonly id: string
  /** Signs certificates that count there. */
  readonly root: TestCertificate
  /** Makes or replaces one of its resources; the path is `clients/a`, the answer has to be one of success. */
  readonly put: (path: string, properties: Readonly<Record<string, unknown>>) => Promise<void>
  readonly remove: (path: string) => Promise<void>
  /** Replaces `topicSpacesConfiguration`, beside its state. */
  readonly configure: (
    topicSpaces: Readonly<Record<string, unknown>>,
    tags?: Readonly<Record<string, string>>,
  ) => Promise<void>
  /** Registers a client whose certificate bears its name. */
  readonly register: (
    name: string,
    properties?: Readonly<Record<string, unknown>>,
  ) => Promise<TestCertificate>
  /** Lets a group publish and subscribe to the topics of the templates. */
  readonly allow: (templates: readonly string[], clientGroupName?: string) => Promise<void>
}

export async function createTestNamespace(server: TestServer, name = 'machines'): Promise<TestNamespace> {
  const id = `/resourceGroups/rg/providers/Microsoft.EventGrid/namespaces/${name}`
  const root = await issueTestCertificate({ subject: 'CN=root', authority: true })
  const expect = async (method: string, path: string, body?: unknown) => {
    const { status, body: answer } = await server.call(method, path, body)
    assert(status < 300, `${method} ${path}: ${JSON.stringify(answer)}`)
  }
  const put: TestNamespace['put'] = (path, properties) => expect('PUT', `${id}/${path}`, { properties })
  const configure: TestNamespace['configure'] = (topicSpaces, tags = {}) =>
    expect('PUT', id, {
      location: 'westus2',
      tags,
      properties: { topicSpacesConfiguration: { state: 'Enabled', ...topicSpaces } },
    })
  await configure({})
  await put('caCertificates/root', { encodedCertificate: root.cert })
  return {
    ...{ id, root, put, configure },
    remove: (path) => expect('DELETE', `${id}/${path}`),
    async register(client, properties = {}) {
      await put(`clients/${client}`, properties)
      return issueTestCertificate({ subject: `CN=${client}`, by: root })
    },
    async allow(topicTemplates, clientGroupName = '$all') {
      await put('topicSpaces/space', { topicTemplates })
      for (const permission of ['Publisher', 'Subscriber'])
        await put(`permissionBindings/${permission}`, {
          clientGroupName,
          topicSpaceName: 'space',
          permission,
        })
    },
  }
}

/** A client that connects once, and does not try again by itself. */
export async function connectMqtt(
  t: Ending,
  server: TestServer,
  { url = server.mqtts, ...options }: IClientOptions & { readonly url?: string },
): Promise<MqttClient> {
  const client = await mqtt.connectAsync(
    url,
    { protocolVersion: 5, reconnectPeriod: 0, connectTimeout: 10_000, ca: server.ca, ...options },
    false,
  )
  // Whoever is disconnected by the server sees that as an event of its own, or does not look.
  client.on('error', () => {})
  closeAfter(t, () => client.endAsync(true))
  return client
}

/** How a client is disconnected: the reason code of the server's DISCONNECT, undefined where the socket just closed. */
export function disconnection(client: MqttClient): Promise<number | undefined> {
  return new Promise((resolve) => {
    let reasonCode: number | undefined
    client.on('disconnect', (packet) => (reasonCode = packet.reasonCode))
    client.on('close', () => resolve(reasonCode))
  })
}
