import assert from 'node:assert/strict'
import { Agent } from 'node:https'
import type { TokenCredential } from '@azure/identity'
import iothub from 'azure-iothub'
import { subscription } from './control-plane.ts'
import type { TestServer } from './test-server.ts'

export const hubId = (name: string): string =>
  `${subscription}/resourceGroups/rg/providers/Microsoft.Devices/IotHubs/${name}`

export interface TestHubs {
  /** Resolves with its host name. */
  readonly createHub: (name: string, properties?: Readonly<Record<string, unknown>>) => Promise<string>
  /** The primary key of a shared access policy. */
  readonly keyOf: (name: string, policy: string) => Promise<string>
  readonly connect: (hostName: string, policy: string, key: string) => iothub.Registry
  /** The same clients, by tokens of Microsoft Entra ID. */
  readonly connectBy: (hostName: string, credential: TokenCredential) => iothub.Registry
  readonly connectClientBy: (hostName: string, credential: TokenCredential) => iothub.Client
  /** The service client that calls methods. */
  readonly connectClient: (hostName: string, policy: string, key: string) => iothub.Client
  readonly connectJobs: (hostName: string, policy: string, key: string) => iothub.JobClient
}

/** IoT hubs of a server, and the official service clients of them. */
export function iotHubs(server: TestServer): TestHubs {
  /** The clients know port 443 alone; this brings their requests here. */
  const lead = <Client>(client: Client): Client => {
    const agent = new Agent({ keepAlive: true, ca: server.ca, checkServerIdentity: () => undefined })
    const { createConnection } = agent as unknown as {
      createConnection: (options: object, ...rest: unknown[]) => unknown
    }
    const port = () => Number(new URL(server.https).port)
    Object.assign(agent, {
      createConnection: (options: object, ...rest: unknown[]) =>
        createConnection.call(agent, { ...options, host: '127.0.0.1', port: port() }, ...rest),
    })
    // They have no public option for the agent.
    const { _restApiClient: rest } = client as unknown as {
      _restApiClient: { setOptions(options: object): void }
    }
    rest.setOptions({ http: { agent } })
    return client
  }
  const connectionString = (hostName: string, policy: string, key: string) =>
    `HostName=${hostName};SharedAccessKeyName=${policy};SharedAccessKey=${key}`
  return {
    async createHub(name, properties = {}) {
      const made = await server.call('PUT', hubId(name), {
        location: 'westus2',
        sku: { name: 'S1', capacity: 1 },
        properties,
      })
      assert.equal(made.status, 201)
      const { body } = await server.call('GET', hubId(name))
      assert.equal(body.properties.state, 'Active')
      return body.properties.hostName
    },
    async keyOf(name, policy) {
      const { body } = await server.call('POST', `${hubId(name)}/listkeys`)
      return body.value.find(({ keyName }: { keyName: string }) => keyName === policy).primaryKey
    },
    connect: (...args) => lead(iothub.Registry.fromConnectionString(connectionString(...args))),
    connectBy: (hostName, credential) => lead(iothub.Registry.fromTokenCredential(hostName, credential)),
    connectClientBy: (hostName, credential) => lead(iothub.Client.fromTokenCredential(hostName, credential)),
    connectClient: (...args) => lead(iothub.Client.fromConnectionString(connectionString(...args))),
    connectJobs: (...args) => lead(iothub.JobClient.fromConnectionString(connectionString(...args))),
  }
}
