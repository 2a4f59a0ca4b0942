import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { Agent } from 'node:https'
import { Readable } from 'node:stream'
import { after, type TestContext, test } from 'node:test'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { promisify } from 'node:util'
import { ClientSecretCredential } from '@azure/identity'
import { ContainerSASPermissions } from '@azure/storage-blob'
import common from 'azure-iot-common'
import device from 'azure-iot-device'
import deviceAmqp from 'azure-iot-device-amqp'
import deviceHttp from 'azure-iot-device-http'
import deviceMqtt from 'azure-iot-device-mqtt'
import iothub from 'azure-iothub'
import { defaultSubscriptionId } from '../src/arm/arm.ts'
import type { Notices } from '../src/devicebound/notices.ts'
import { startAzurite } from '../src/testing/azurite.ts'
import { selfSigned } from '../src/testing/certificate.ts'
import { closeAfter } from '../src/testing/close-after.ts'
import { knownAccount, subscription } from '../src/testing/control-plane.ts'
import { tokenOf } from '../src/testing/iot-devices.ts'
import { hubId, iotHubs } from '../src/testing/iot-hubs.ts'
import { eventually, startTestServer } from '../src/testing/test-server.ts'

/*
 * Every operation of the official clients of IoT Hub, those of services and those of devices and modules with each of
 * their transports, called once against a running server. The operations are read from the classes themselves: one that
 * a newer client brings fails the test until it is called here, or excused with the reason why it cannot be.
 */

const principal = {
  name: 'service',
  clientId: '7a2f1c0e-5b3d-4e8a-9c6f-0d1e2f3a4b5c',
  clientSecret: 'a-secret-that-nobody-guesses',
  objectId: '0f9e8d7c-6b5a-4a39-8271-605f4e3d2c1b',
}
const dataContributor = '4fc6c259-987e-4a07-842e-c321cc9d413f'

// Most of the clients trust what the process trusts, and have no option for it.
setDefaultCACertificates([...getCACertificates(), selfSigned.cert])
const azurite = await startAzurite({ after }, { tls: true })
const [uploads, transfers] = [azurite.container('uploads'), azurite.container('transfers')]
await Promise.all([uploads.create(), transfers.create()])

const server = await startTestServer(
  { after },
  {
    file: {
      auth: { principals: [principal] },
      connections: { [knownAccount]: { connectionString: azurite.connectionString } },
      webhooks: { allowSelfSigned: true },
    },
  },
)
setDefaultCACertificates([...getCACertificates('default'), server.ca])

const { createHub, keyOf } = iotHubs(server)
const hostName = await createHub('contoso', {
  storageEndpoints: {
    $default: { connectionString: azurite.connectionString, containerName: 'uploads' },
  },
  enableFileUploadNotifications: true,
})
const owner = await keyOf('contoso', 'iothubowner')
await server.call(
  'PUT',
  `${hubId('contoso')}/providers/Microsoft.Authorization/roleAssignments/2c1d7a90-8f4e-4b6a-a5d3-1e2f3a4b5c6d`,
  {
    properties: {
      roleDefinitionId: `${subscription}/providers/Microsoft.Authorization/roleDefinitions/${dataContributor}`,
      principalId: principal.objectId,
      principalType: 'ServicePrincipal',
    },
  },
)
const credential = new ClientSecretCredential(
  defaultSubscriptionId,
  principal.clientId,
  principal.clientSecret,
  { authorityHost: server.https, disableInstanceDiscovery: true },
)

/** Where the only hub is called by a name of this server; the clients that know port 443 alone are led here. */
const at = (url: string) => `localhost:${new URL(url).port}`
const leading = leadingAgent()
const noRetries = { shouldRetry: () => false, nextRetryTimeout: () => 0 }

function leadingAgent(): Agent {
  const agent = new Agent({ ca: server.ca, checkServerIdentity: () => undefined })
  const { createConnection } = agent as unknown as {
    createConnection: (options: object, ...rest: unknown[]) => unknown
  }
  const to = { host: '127.0.0.1', port: Number(new URL(server.https).port), ca: server.ca }
  after(() => agent.destroy())
  return Object.assign(agent, {
    createConnection: (options: object, ...rest: unknown[]) =>
      createConnection.call(agent, { ...options, ...to }, ...rest),
  })
}

/** A service client whose requests come here. It has no public option for the agent. */
function led<Client extends iothub.Registry | iothub.Client | iothub.JobClient>(client: Client): Client {
  const { _restApiClient: rest } = client as unknown as {
    _restApiClient: { setOptions(options: object): void }
  }
  rest.setOptions({ http: { agent: leading } })
  return client
}

const connectionString = `HostName=${hostName};SharedAccessKeyName=iothubowner;SharedAccessKey=${owner}`
const serviceToken = (resource = hostName) => tokenOf(resource, owner, { policy: 'iothubowner' })
const registry = led(iothub.Registry.fromConnectionString(connectionString))
const queues = await server.devicebound(hubId('contoso'))

// ------------------------------------------------------------ the table

/** What is called for one operation, in the order of the table; it checks what comes of it. */
type Call = () => unknown
interface Excused {
  /** Why it does not work for anybody, here or in Azure. */
  readonly why: string
  /** Of the error that it ends with; undefined: it is not called. */
  readonly error?: RegExp
  readonly call?: Call
}
type Steps = Readonly<Record<string, Call | Excused>>

const excused = (why: string, error?: RegExp, call?: Call): Excused => ({
  why,
  ...(error && { error }),
  ...(call && { call }),
})

interface Class {
  readonly prototype: object
}

/** The public operations of a class and of what it extends, and those of the class itself. */
function operationsOf(made: Class): readonly string[] {
  const names = new Set<string>()
  for (
    let from = made.prototype;
    from !== Object.prototype && from !== EventEmitter.prototype;
    from = Object.getPrototypeOf(from)
  )
    for (const name of Object.getOwnPropertyNames(from)) names.add(name)
  for (const name of Object.getOwnPropertyNames(made))
    if (typeof (made as unknown as Record<string, unknown>)[name] === 'function') names.add(name)
  return [...names].filter((name) => !/^(_|constructor$)/.test(name))
}

const classOf = (made: object): Class => ({ prototype: Object.getPrototypeOf(made) as object })

/** @param more what is no member of a class, such as events, by the names of the table */
async function walk(
  t: TestContext,
  classes: Readonly<Record<string, Class>>,
  steps: Steps,
  more: readonly string[] = [],
): Promise<void> {
  const operations = Object.entries(classes).flatMap(([name, made]) =>
    operationsOf(made).map((operation) => `${name}.${operation}`),
  )
  assert.deepEqual(Object.keys(steps).toSorted(), [...operations, ...more].toSorted())
  for (const [operation, step] of Object.entries(steps))
    await t.test(operation, async (own) => {
      if (typeof step === 'function') await step()
      else {
        own.diagnostic(`excused: ${step.why}`)
        const { call, error } = step
        if (call && error)
          await assert.rejects(
            async () => call(),
            (thrown: Error & { responseBody?: string }) => {
              assert.match(`${thrown.name}: ${thrown.message} ${thrown.responseBody}`, error)
              return true
            },
          )
      }
    })
}

const idOf = (answer: unknown) =>
  (answer as { readonly responseBody: { deviceId: string } }).responseBody.deviceId

// ------------------------------------------------------------ services

test('every operation of Registry, its twins and its queries is answered', async (t) => {
  const { Registry } = iothub
  await registry.addDevices(['given', 'source'].map((deviceId) => ({ deviceId })))
  const { responseBody: twin } = await registry.getTwin('given')
  const query = registry.createQuery('SELECT * FROM devices', 1)
  const device1 = { deviceId: 'one' }
  const configuration = {
    ...{ id: 'fans', labels: {}, priority: 1, targetCondition: "tags.kind='fan'" },
    ...{ schemaVersion: '1.0', content: { deviceContent: { 'properties.desired.speed': 1 } } },
  }
  const permissions = ContainerSASPermissions.parse('rwdl')
  const uri = await transfers.generateSasUrl({ permissions, expiresOn: new Date(Date.now() + 3_600_000) })
  interface Job {
    readonly jobId?: string
    readonly status?: string
  }
  const jobs: string[] = []
  const completed = async (job: Job) => {
    jobs.push(String(job.jobId))
    await eventually(async () => ((await registry.getJob(String(job.jobId))) as Job).status === 'completed')
  }
  const byIdentity = /identityBased is not supported/
  await walk(
    t,
    { Registry, Twin: classOf(twin), Query: classOf(query) },
    {
      'Registry.fromConnectionString': async () =>
        assert.equal(idOf(await led(Registry.fromConnectionString(connectionString)).get('given')), 'given'),
      'Registry.fromSharedAccessSignature': async () =>
        assert.equal(
          idOf(await led(Registry.fromSharedAccessSignature(serviceToken())).get('given')),
          'given',
        ),
      'Registry.fromTokenCredential': async () =>
        assert.equal(
          idOf(await led(Registry.fromTokenCredential(hostName, credential)).get('given')),
          'given',
        ),
      'Registry.create': async () => assert.equal(idOf(await registry.create(device1)), 'one'),
      'Registry.update': async () => {
        const { responseBody } = await registry.update({
          ...device1,
          status: 'disabled',
          statusReason: 'idle',
        })
        assert.equal(responseBody.statusReason, 'idle')
      },
      'Registry.get': async () => assert.equal(idOf(await registry.get('one')), 'one'),
      'Registry.list': async () =>
        assert.deepEqual((await registry.list()).responseBody.map(({ deviceId }) => deviceId).toSorted(), [
          'given',
          'one',
          'source',
        ]),
      'Registry.addDevices': async () => {
        const { responseBody } = await registry.addDevices([{ deviceId: 'two' }])
        assert.equal(responseBody.isSuccessful, true)
      },
      'Registry.updateDevices': async () => {
        const { responseBody } = await registry.updateDevices([{ deviceId: 'two', status: 'disabled' }], true)
        assert.equal(responseBody.isSuccessful, true)
        assert.equal((await registry.get('two')).responseBody.status, 'disabled')
      },
      'Registry.removeDevices': async () => {
        const { responseBody } = await registry.removeDevices([{ deviceId: 'two' }], true)
        assert.equal(responseBody.isSuccessful, true)
        await assert.rejects(registry.get('two'), { name: 'DeviceNotFoundError' })
      },
      'Registry.getRegistryStatistics': async () =>
        assert.deepEqual((await registry.getRegistryStatistics()).responseBody, {
          ...{ totalDeviceCount: 3, enabledDeviceCount: 2, disabledDeviceCount: 1 },
        }),

      'Registry.addModule': async () => {
        await registry.addModule({ deviceId: 'one', moduleId: 'camera' })
      },
      'Registry.getModule': async () =>
        assert.equal((await registry.getModule('one', 'camera')).responseBody.moduleId, 'camera'),
      'Registry.getModulesOnDevice': async () =>
        assert.deepEqual(
          (await registry.getModulesOnDevice('one')).responseBody.map(({ moduleId }) => moduleId),
          ['camera'],
        ),
      'Registry.updateModule': async () => {
        const { responseBody } = await registry.getModule('one', 'camera')
        await registry.updateModule({ ...responseBody, managedBy: 'someone' }, true)
        assert.equal((await registry.getModule('one', 'camera')).responseBody.managedBy, 'someone')
      },
      'Registry.getModuleTwin': async () => {
        const { responseBody } = await registry.getModuleTwin('one', 'camera')
        assert.equal(responseBody.moduleId, 'camera')
      },
      'Registry.updateModuleTwin': async () => {
        const { responseBody } = await registry.updateModuleTwin('one', 'camera', { tags: { a: 1 } }, '*')
        assert.deepEqual(responseBody.tags, { a: 1 })
      },
      'Registry.removeModule': async () => {
        await registry.removeModule('one', 'camera')
        assert.deepEqual((await registry.getModulesOnDevice('one')).responseBody, [])
      },

      'Registry.getTwin': async () => assert.equal(idOf(await registry.getTwin('one')), 'one'),
      'Registry.updateTwin': async () => {
        const patch = { tags: { kind: 'fan' }, properties: { desired: { limit: 3 } } }
        const { responseBody } = await registry.updateTwin('one', patch, '*')
        assert.deepEqual([responseBody.tags, responseBody.properties.desired.limit], [{ kind: 'fan' }, 3])
      },
      'Twin.get': async () => {
        await registry.updateTwin('given', { tags: { room: 'hall' } }, '*')
        await twin.get()
        assert.deepEqual(twin.tags, { room: 'hall' })
      },
      'Twin.update': async () => {
        await twin.update({ tags: { site: 'oslo', room: null } })
        assert.deepEqual((await registry.getTwin('given')).responseBody.tags, { site: 'oslo' })
      },
      'Twin.toJSON': () => {
        const { deviceId, tags } = JSON.parse(JSON.stringify(twin)) as typeof twin
        assert.deepEqual([deviceId, tags], ['given', { site: 'oslo' }])
      },

      'Registry.createQuery': async () => {
        const { result } = await registry
          .createQuery("SELECT deviceId FROM devices WHERE tags.site='oslo'")
          .next()
        assert.deepEqual(result, [{ deviceId: 'given' }])
      },
      'Query.next': async () => {
        const { result } = await query.next()
        assert.deepEqual([result.length, query.hasMoreResults], [1, true])
      },
      'Query.nextAsTwin': async () => {
        const { result } = (await query.nextAsTwin()) as { result: iothub.Twin[] }
        assert.equal(typeof result[0]?.update, 'function')
      },

      'Registry.addConfiguration': async () => {
        await registry.addConfiguration(configuration)
      },
      'Registry.getConfiguration': async () =>
        assert.equal((await registry.getConfiguration('fans')).responseBody.priority, 1),
      'Registry.getConfigurations': async () =>
        assert.deepEqual(
          (await registry.getConfigurations()).responseBody.map(({ id }) => id),
          ['fans'],
        ),
      'Registry.updateConfiguration': async () => {
        const { responseBody: before } = await registry.getConfiguration('fans')
        await registry.updateConfiguration({ ...before, priority: 5 }, true)
        assert.equal((await registry.getConfiguration('fans')).responseBody.priority, 5)
      },
      'Registry.removeConfiguration': async () => {
        await registry.removeConfiguration('fans')
        assert.deepEqual((await registry.getConfigurations()).responseBody, [])
      },
      'Registry.applyConfigurationContentOnDevice': async () => {
        await registry.create({ deviceId: 'edge', capabilities: { iotEdge: true } })
        const modulesContent = { $edgeAgent: { 'properties.desired': { level: 1 } } }
        await registry.applyConfigurationContentOnDevice('edge', { modulesContent })
        const { responseBody } = await registry.getModuleTwin('edge', '$edgeAgent')
        assert.equal(responseBody.properties.desired.level, 1)
        await registry.delete('edge')
      },

      'Registry.exportDevicesToBlob': async () => completed(await registry.exportDevicesToBlob(uri, false)),
      'Registry.importDevicesFromBlob': async () => completed(await registry.importDevicesFromBlob(uri, uri)),
      'Registry.exportDevicesToBlobByIdentity': excused(
        'the storage account is reached with the signature of its URI alone',
        byIdentity,
        () => registry.exportDevicesToBlobByIdentity(transfers.url, false),
      ),
      'Registry.importDevicesFromBlobByIdentity': excused(
        'the storage account is reached with the signature of its URI alone',
        byIdentity,
        () => registry.importDevicesFromBlobByIdentity(transfers.url, transfers.url),
      ),
      'Registry.listJobs': async () => {
        const { responseBody } = (await registry.listJobs()) as { responseBody: Job[] }
        for (const id of jobs) assert.ok(responseBody.some(({ jobId }) => jobId === id))
      },
      'Registry.getJob': async () => {
        const [id = ''] = jobs
        assert.equal(((await registry.getJob(id)) as Job).jobId, id)
      },
      'Registry.cancelJob': async () => {
        const job = (await registry.exportDevicesToBlob(uri, true)) as Job
        await registry.cancelJob(String(job.jobId))
        // It may have ended in the meantime.
        const { status } = (await registry.getJob(String(job.jobId))) as Job
        assert.ok(status === 'cancelled' || status === 'completed')
      },
      'Registry.delete': async () => {
        await registry.delete('one')
        await assert.rejects(registry.get('one'), { name: 'DeviceNotFoundError' })
      },
    },
  )
  await registry.removeDevices([{ deviceId: 'given' }, { deviceId: 'source' }], true)
})

test('every operation of JobClient is answered', async (t) => {
  const { JobClient } = iothub
  const jobs = led(JobClient.fromConnectionString(connectionString))
  await registry.create({ deviceId: 'worker' })
  closeAfter(t, () => registry.delete('worker'))
  const later = new Date(Date.now() + 3_600_000)
  const only = "deviceId IN ['worker']"
  interface Job {
    readonly jobId: string
    readonly status: string
  }
  const read = async (client: iothub.JobClient) => (await client.getJob('twins')).jobStatus as Job
  await walk(
    t,
    { JobClient },
    {
      'JobClient.scheduleTwinUpdate': async () => {
        await jobs.scheduleTwinUpdate('twins', only, { tags: { done: true }, etag: '*' })
        await eventually(async () => (await read(jobs)).status === 'completed')
        assert.deepEqual((await registry.getTwin('worker')).responseBody.tags, { done: true })
      },
      'JobClient.getJob': async () => assert.equal((await read(jobs)).jobId, 'twins'),
      'JobClient.fromConnectionString': async () =>
        assert.equal((await read(led(JobClient.fromConnectionString(connectionString)))).jobId, 'twins'),
      'JobClient.fromSharedAccessSignature': async () =>
        assert.equal((await read(led(JobClient.fromSharedAccessSignature(serviceToken())))).jobId, 'twins'),
      'JobClient.fromTokenCredential': async () =>
        assert.equal((await read(led(JobClient.fromTokenCredential(hostName, credential)))).jobId, 'twins'),
      'JobClient.scheduleDeviceMethod': async () => {
        const method = { methodName: 'ping', payload: null, responseTimeoutInSeconds: 5 }
        const { jobStatus } = await jobs.scheduleDeviceMethod('methods', only, method, later, 60)
        assert.equal((jobStatus as Job).status, 'scheduled')
      },
      'JobClient.createQuery': async () => {
        const { result } = await jobs.createQuery('scheduleDeviceMethod').next()
        assert.deepEqual(
          (result as unknown as Job[]).map(({ jobId }) => jobId),
          ['methods'],
        )
      },
      'JobClient.cancelJob': async () => {
        await jobs.cancelJob('methods')
        assert.equal(((await jobs.getJob('methods')).jobStatus as Job).status, 'cancelled')
      },
    },
  )
})

/** A device over MQTT, for the service side to talk to. */
async function listener(t: TestContext, deviceId: string): Promise<device.Client> {
  const { responseBody } = await registry.create({ deviceId })
  closeAfter(t, () => registry.delete(deviceId))
  const key = responseBody.authentication?.symmetricKey?.primaryKey
  const text = `HostName=${at(server.mqtts)};DeviceId=${deviceId};SharedAccessKey=${key}`
  const client = device.Client.fromConnectionString(text, deviceMqtt.Mqtt)
  await client.setOptions({ ca: server.ca })
  client.setRetryPolicy(noRetries)
  closeAfter(t, () => client.close())
  await client.open()
  return client
}

test('every operation of DigitalTwinClient is answered', async (t) => {
  const client = await listener(t, 'thermo')
  for (const name of ['reboot', 'sensor*calibrate'])
    client.onDeviceMethod(name, (request, response) => {
      void response.send(200, { heard: request.payload })
    })
  const text = `HostName=${at(server.https)};SharedAccessKeyName=iothubowner;SharedAccessKey=${owner}`
  const twins = new iothub.DigitalTwinClient(new iothub.IoTHubTokenCredentials(text))
  const options = { connectTimeoutInSeconds: 10 }
  const answered = (answer: unknown) => {
    const { _response: response } = answer as { readonly _response: { readonly bodyAsText: string } }
    return JSON.parse(response.bodyAsText) as unknown
  }
  await walk(
    t,
    { DigitalTwinClient: iothub.DigitalTwinClient },
    {
      'DigitalTwinClient.updateDigitalTwin': async () => {
        await twins.updateDigitalTwin('thermo', [{ op: 'add', path: '/target', value: 21 }])
        const { responseBody } = await registry.getTwin('thermo')
        assert.equal(responseBody.properties.desired.target, 21)
      },
      'DigitalTwinClient.getDigitalTwin': async () => {
        const found = answered(await twins.getDigitalTwin('thermo')) as Record<string, unknown>
        assert.equal(found.$dtId, 'thermo')
      },
      'DigitalTwinClient.invokeCommand': async () =>
        assert.deepEqual(
          answered(await twins.invokeCommand('thermo', 'reboot', { n: 1 }, options as never)),
          {
            heard: { n: 1 },
          },
        ),
      'DigitalTwinClient.invokeComponentCommand': async () =>
        assert.deepEqual(
          answered(
            await twins.invokeComponentCommand('thermo', 'sensor', 'calibrate', { n: 2 }, options as never),
          ),
          { heard: { n: 2 } },
        ),
    },
  )
})

/** The client knows port 443 alone, and has no option for it. */
class ServiceAmqpWs extends iothub.AmqpWs {
  _getConnectionUri(): string {
    return `wss://${at(server.https)}/$iothub/websocket`
  }
}

interface Receiver extends EventEmitter {
  complete(message: common.Message): Promise<unknown>
  abandon(message: common.Message): Promise<unknown>
  reject(message: common.Message): Promise<unknown>
  detach(): Promise<unknown>
  forceDetach(error: Error): void
}

for (const [protocol, transport, host] of [
  ['Amqp', iothub.Amqp, at(server.amqps)],
  ['AmqpWs', ServiceAmqpWs, hostName],
] as const)
  test(`every operation of the service's Client over ${protocol}, and of its receivers, is answered`, async (t) => {
    const { Client } = iothub
    const deviceId = `to-${protocol}`
    const client = await listener(t, deviceId)
    client.onDeviceMethod('ping', (_request, response) => {
      void response.send(200, 'pong')
    })
    const text = `HostName=${host};SharedAccessKeyName=iothubowner;SharedAccessKey=${owner}`
    const service = led(Client.fromConnectionString(text, transport))
    closeAfter(t, () => service.close().catch(() => {}))
    const opened = async (other: iothub.Client) => {
      other.setRetryPolicy(noRetries)
      await other.open()
      await other.send(deviceId, new common.Message('hello'))
      await other.close()
    }
    const received: string[] = []
    client.on('message', (message: device.Message) => {
      received.push(Buffer.from(message.getBytes()).toString())
      void client.complete(message)
    })
    let receiver: Receiver | undefined
    const open = async () => {
      const wrapped = (await service.getFileNotificationReceiver()) as unknown as { result: Receiver }
      receiver = wrapped.result
      return receiver
    }
    const notice = async (blobName: string) => {
      const came = once(receiver as Receiver, 'message') as Promise<[common.Message]>
      await (queues.fileNotifications as Notices).tell(deviceId, { deviceId, blobName })
      const [message] = await came
      assert.equal(JSON.parse(String(message.data)).blobName, blobName)
      return message
    }
    await walk(
      t,
      { Client, ServiceReceiver: await receiverClass() },
      {
        'Client.setRetryPolicy': () => service.setRetryPolicy(noRetries),
        'Client.open': () => service.open(),
        'Client.fromConnectionString': () => opened(Client.fromConnectionString(text, transport)),
        'Client.fromSharedAccessSignature': () =>
          opened(Client.fromSharedAccessSignature(serviceToken(host), transport)),
        'Client.fromTokenCredential': () => opened(Client.fromTokenCredential(host, credential, transport)),
        'Client.send': async () => {
          await service.send(deviceId, new common.Message('last'))
          await eventually(() => received.includes('last'))
          assert.deepEqual(received, ['hello', 'hello', 'hello', 'last'])
        },
        'Client.invokeDeviceMethod': async () => {
          const call = { methodName: 'ping', connectTimeoutInSeconds: 10 }
          assert.deepEqual((await service.invokeDeviceMethod(deviceId, call)).result, {
            ...{ status: 200, payload: 'pong' },
          })
        },
        'Client.getFeedbackReceiver': async () => {
          const { result } = (await service.getFeedbackReceiver()) as unknown as { result: Receiver }
          const came = once(result, 'message') as Promise<[common.Message]>
          for (let n = 0; n < 64; n++) {
            const message = new common.Message('x')
            message.ack = 'full'
            await service.send(deviceId, message)
          }
          const records = JSON.parse(String((await came)[0].data)) as { statusCode: string }[]
          assert.deepEqual([records.length, records[0]?.statusCode], [64, 'Success'])
        },
        'Client.getFileNotificationReceiver': open,
        'ServiceReceiver.complete': async () => {
          await receiver?.complete(await notice('completed'))
          await eventually(async () => (await queues.fileNotifications.receive()) === undefined)
        },
        'ServiceReceiver.reject': async () => {
          await receiver?.reject(await notice('rejected'))
        },
        'ServiceReceiver.abandon': async () => {
          await receiver?.abandon(await notice('abandoned'))
        },
        'ServiceReceiver.detach': () => receiver?.detach(),
        'ServiceReceiver.forceDetach': async () => {
          await open()
          receiver?.forceDetach(new Error('enough'))
        },
        'Client.close': () => service.close(),
      },
    )
  })

/** Of a receiver that is not open yet: the package does not say its class. */
async function receiverClass(): Promise<Class> {
  const made = (await import(
    new URL('dist/service_receiver.js', import.meta.resolve('azure-iothub')).href
  )) as { readonly default: { readonly ServiceReceiver: Class } }
  return made.default.ServiceReceiver
}

// ------------------------------------------------------------ devices and modules

type Transport =
  | typeof deviceMqtt.Mqtt
  | typeof deviceMqtt.MqttWs
  | typeof deviceAmqp.Amqp
  | typeof deviceAmqp.AmqpWs
  | typeof deviceHttp.Http

/** With the name of this server that it is given, and its port where it takes one. */
const transports: readonly (readonly [name: string, transport: Transport, host: string])[] = [
  ['Mqtt', deviceMqtt.Mqtt, at(server.mqtts)],
  ['MqttWs', deviceMqtt.MqttWs, 'localhost'],
  ['Amqp', deviceAmqp.Amqp, at(server.amqps)],
  ['AmqpWs', deviceAmqp.AmqpWs, 'localhost'],
  ['Http', deviceHttp.Http, 'localhost'],
]

const options = () => ({
  ca: server.ca,
  // One that has a policy of receiving says when it is set; the others never do.
  http: { agent: leading, receivePolicy: { interval: 1 } },
  mqtt: { webSocketAgent: leading },
  amqp: { webSocketAgent: leading },
})

/** What a device has said, and is kept in the built-in endpoint of its hub. */
async function saidBy(deviceId: string): Promise<readonly string[]> {
  const url = `${server.http}/messages/events?from=earliest&max=1000`
  const answer = await fetch(url, { headers: { authorization: serviceToken() } })
  const { value } = (await answer.json()) as {
    value: { systemProperties: Record<string, string>; body: unknown }[]
  }
  return value
    .filter(({ systemProperties }) => systemProperties['iothub-connection-device-id'] === deviceId)
    .map(({ body }) => Buffer.from(String(body), 'base64').toString())
}

const noBatches = excused('the SDK sends no batches over this transport', /NotImplementedError/)

for (const [protocol, transport, host] of transports)
  test(`every operation of a device's Client over ${protocol}, and of its Twin, is answered`, async (t) => {
    const { Client } = device
    const isHttp = protocol === 'Http'
    const isMqtt = protocol.startsWith('Mqtt')
    const deviceId = `dev-${protocol}`
    const { responseBody: made } = await registry.create({ deviceId })
    closeAfter(t, () => registry.delete(deviceId))
    const key = made.authentication?.symmetricKey?.primaryKey ?? ''
    const resource = `${host}/devices/${deviceId}`
    const text = `HostName=${host};DeviceId=${deviceId};SharedAccessKey=${key}`
    const client = Client.fromSharedAccessSignature(tokenOf(resource, key), transport)
    closeAfter(t, () => client.close().catch(() => {}))
    const service = led(iothub.Client.fromConnectionString(connectionString))
    const sent: string[] = []
    const message = (what: string) => {
      sent.push(what)
      return new device.Message(what)
    }
    /** One made in another way: it sends something, and is closed. */
    const sends = async (other: device.Client, what: string) => {
      other.setRetryPolicy(noRetries)
      await other.setOptions(options())
      await other.open()
      const result = await other.sendEvent(message(what))
      assert.equal(result?.constructor.name, 'MessageEnqueued')
      await other.close()
    }
    const came: Record<string, device.Message> = {}
    const listen = (wanted: string) => async () => {
      await queues.send(deviceId, {
        ...{ payload: Buffer.from(wanted), ack: 'none', expiresAt: undefined, system: {}, properties: {} },
      })
      await eventually(() => came[wanted] !== undefined)
    }
    const pending = async () => (await registry.get(deviceId)).responseBody.cloudToDeviceMessageCount
    const settled = () => eventually(async () => Number(await pending()) === 0)
    let twin: device.Twin | undefined
    let upload: { correlationId: string; blobName?: string } | undefined
    const notOverHttp = (what: string, call: Call) =>
      excused(`the SDK has no ${what} over HTTPS`, /NotImplementedError/, call)
    const twinOverHttp = (call: Call) => (isHttp ? notOverHttp('twins', call) : call)
    const notOverMqtt = (call: Call) =>
      isMqtt ? excused('MQTT has no such answer to a message', /NotImplementedError/, call) : call
    await walk(
      t,
      { Client, Twin: device.Twin },
      {
        'Client.fromConnectionString': () =>
          sends(Client.fromConnectionString(text, transport), 'by connection string'),
        'Client.fromAuthenticationProvider': () =>
          sends(
            Client.fromAuthenticationProvider(
              device.SharedAccessKeyAuthenticationProvider.fromConnectionString(text),
              transport,
            ),
            'by provider',
          ),
        'Client.fromSharedAccessSignature': () =>
          sends(Client.fromSharedAccessSignature(tokenOf(resource, key), transport), 'by signature'),
        'Client.setRetryPolicy': () => client.setRetryPolicy(noRetries),
        // Before the others, whose place its own take.
        'Client.setTransportOptions': async () => {
          const result = await client.setTransportOptions({ interval: 1 })
          assert.equal(result?.constructor.name, 'TransportConfigured')
        },
        // It resolves with nothing; that the next ones reach the server shows that it did.
        'Client.setOptions': () => client.setOptions(options()),
        'Client.open': async () => {
          const result = await client.open()
          assert.equal(result?.constructor.name, 'Connected')
        },
        'Client.updateSharedAccessSignature': async () => {
          const token = tokenOf(resource, key, { expiresInSeconds: 7200 })
          await promisify(client.updateSharedAccessSignature.bind(client))(token)
        },
        'Client.sendEvent': async () => {
          const result = await client.sendEvent(message('one'))
          assert.equal(result?.constructor.name, 'MessageEnqueued')
          assert.deepEqual(await saidBy(deviceId), sent)
        },
        'Client.sendEventBatch': isHttp
          ? async () => {
              const result = await client.sendEventBatch([message('two'), message('three')])
              assert.equal(result?.constructor.name, 'MessageEnqueued')
              assert.deepEqual(await saidBy(deviceId), sent)
            }
          : { ...noBatches, call: () => client.sendEventBatch([new device.Message('never')]) },
        'on message': async () => {
          client.on('message', (each: device.Message) => {
            came[Buffer.from(each.getBytes()).toString()] = each
          })
          await listen('completed')()
        },
        'Client.complete': async () => {
          await client.complete(came.completed as device.Message)
          await settled()
        },
        'Client.reject': notOverMqtt(async () => {
          await listen('rejected')()
          await client.reject(came.rejected as device.Message)
          await settled()
        }),
        'Client.abandon': notOverMqtt(async () => {
          await listen('abandoned')()
          const first = came.abandoned as device.Message
          delete came.abandoned
          await client.abandon(first)
          await eventually(() => came.abandoned !== undefined)
          await client.complete(came.abandoned as unknown as device.Message)
          await settled()
        }),
        'Client.onDeviceMethod': isHttp
          ? notOverHttp('direct methods', () => client.onDeviceMethod('ping', () => {}))
          : async () => {
              client.onDeviceMethod('ping', (request, response) => {
                void response.send(202, request.payload)
              })
              const call = { methodName: 'ping', payload: { n: 1 }, connectTimeoutInSeconds: 10 }
              const { result } = await service.invokeDeviceMethod(deviceId, call)
              assert.deepEqual(result, { status: 202, payload: { n: 1 } })
            },
        'Client.getTwin': twinOverHttp(async () => {
          twin = await client.getTwin()
          assert.equal(twin.properties.desired.$version, 1)
        }),
        ...twinSteps(
          () => twin,
          isHttp,
          async (patch) => {
            await registry.updateTwin(deviceId, patch, '*')
            return (await registry.getTwin(deviceId)).responseBody
          },
        ),
        'Client.getBlobSharedAccessSignature': async () => {
          upload = await client.getBlobSharedAccessSignature('a.txt')
          assert.equal(upload?.blobName, `${deviceId}/a.txt`)
        },
        'Client.notifyBlobUploadStatus': () =>
          client.notifyBlobUploadStatus(upload?.correlationId ?? '', false, 500, 'given up'),
        'Client.uploadToBlob': async () => {
          await client.uploadToBlob('b.txt', Readable.from([Buffer.from('text')]), 4)
          const content = await uploads.getBlobClient(`${deviceId}/b.txt`).downloadToBuffer()
          assert.equal(content.toString(), 'text')
        },
        'Client.close': async () => {
          const result = await client.close()
          assert.equal(result?.constructor.name, 'Disconnected')
        },
      },
      ['on message', 'reported.update', 'on properties.desired'],
    )
  })

/** Of the twin of a device or a module; `change` is the service side's, and resolves with the twin. */
function twinSteps(
  twin: () => device.Twin | undefined,
  isHttp: boolean,
  change: (patch: object) => Promise<iothub.Twin>,
): Steps {
  const there = () => {
    const found = twin()
    assert.ok(found)
    return found
  }
  const steps: Readonly<Record<string, Call>> = {
    'Twin.setRetryPolicy': () => there().setRetryPolicy(noRetries),
    'Twin.get': async () => {
      await there().get()
      assert.equal(there().properties.reported.$version, 1)
    },
    'Twin.enableTwinDesiredPropertiesUpdates': () =>
      promisify(there().enableTwinDesiredPropertiesUpdates.bind(there()))(),
    'on properties.desired': async () => {
      const came: Record<string, unknown>[] = []
      there().on('properties.desired', (patch: Record<string, unknown>) => came.push(patch))
      await change({ properties: { desired: { speed: 3 } } })
      await eventually(() => came.some(({ speed }) => speed === 3))
    },
    'reported.update': async () => {
      const { reported } = there().properties
      await promisify(reported.update.bind(reported))({ color: 'red' })
      assert.equal((await change({})).properties.reported.color, 'red')
    },
  }
  if (!isHttp) return steps
  return Object.fromEntries(
    Object.keys(steps).map((name) => [name, excused('the SDK has no twins over HTTPS')]),
  )
}

for (const [protocol, transport, host] of transports)
  test(`every operation of a ModuleClient over ${protocol}, and of its Twin, is answered`, async (t) => {
    const { ModuleClient } = device
    const isHttp = protocol === 'Http'
    const [deviceId, moduleId] = [`host-${protocol}`, 'camera']
    await registry.create({ deviceId })
    closeAfter(t, () => registry.delete(deviceId))
    await registry.addModule({ deviceId, moduleId })
    const { responseBody: made } = await registry.getModule(deviceId, moduleId)
    const key = made.authentication?.symmetricKey?.primaryKey ?? ''
    const resource = `${host}/devices/${deviceId}/modules/${moduleId}`
    const text = `HostName=${host};DeviceId=${deviceId};ModuleId=${moduleId};SharedAccessKey=${key}`
    const client = ModuleClient.fromSharedAccessSignature(tokenOf(resource, key), transport)
    closeAfter(t, () => client.close().catch(() => {}))
    const service = led(iothub.Client.fromConnectionString(connectionString))
    const sent: string[] = []
    const message = (what: string) => {
      sent.push(what)
      return new device.Message(what)
    }
    const send = async (other: device.ModuleClient, what: string) => {
      const result = await other.sendEvent(message(what))
      assert.equal(result?.constructor.name, 'MessageEnqueued')
    }
    const sends = async (other: device.ModuleClient, what: string) => {
      other.setRetryPolicy(noRetries)
      await other.setOptions(options())
      await other.open()
      try {
        await send(other, what)
      } finally {
        await other.close()
      }
    }
    let twin: device.Twin | undefined
    const notOverHttp = (what: string, call: Call) =>
      isHttp ? excused(`the SDK has no ${what} over HTTPS`, /NotImplementedError/, call) : call
    const asDevice = (call: Call) =>
      isHttp
        ? excused(
            'over HTTPS the SDK sends as the device, which the token of its module does not allow',
            /UnauthorizedError/,
            call,
          )
        : call
    const noInputs = excused(
      'what is settled is a message of an input, and those are routed by an edge device, not by a hub',
    )
    await walk(
      t,
      { ModuleClient, Twin: device.Twin },
      {
        'ModuleClient.fromConnectionString': asDevice(() =>
          sends(ModuleClient.fromConnectionString(text, transport), 'by connection string'),
        ),
        'ModuleClient.fromAuthenticationProvider': asDevice(() =>
          sends(
            ModuleClient.fromAuthenticationProvider(
              device.SharedAccessKeyAuthenticationProvider.fromConnectionString(text),
              transport,
            ),
            'by provider',
          ),
        ),
        'ModuleClient.fromSharedAccessSignature': asDevice(() =>
          sends(ModuleClient.fromSharedAccessSignature(tokenOf(resource, key), transport), 'by signature'),
        ),
        'ModuleClient.fromEnvironment': asDevice(async () => {
          process.env.IotHubConnectionString = text
          try {
            await sends(await ModuleClient.fromEnvironment(transport), 'by environment')
          } finally {
            delete process.env.IotHubConnectionString
          }
        }),
        'ModuleClient.validateEnvironment': excused(
          'it looks at the variables that an edge device sets, and asks nobody',
        ),
        'ModuleClient.setRetryPolicy': () => client.setRetryPolicy(noRetries),
        'ModuleClient.setTransportOptions': async () => {
          const result = await client.setTransportOptions({ interval: 1 })
          assert.equal(result?.constructor.name, 'TransportConfigured')
        },
        // It resolves with nothing; that the next ones reach the server shows that it did.
        'ModuleClient.setOptions': () => client.setOptions(options()),
        'ModuleClient.open': async () => {
          assert.equal((await client.open())?.constructor.name, 'Connected')
        },
        'ModuleClient.updateSharedAccessSignature': async () => {
          const token = tokenOf(resource, key, { expiresInSeconds: 7200 })
          await promisify(client.updateSharedAccessSignature.bind(client))(token)
        },
        'ModuleClient.sendEvent': asDevice(async () => {
          await send(client, 'one')
          assert.deepEqual(await saidBy(deviceId), sent)
        }),
        'ModuleClient.sendEventBatch': isHttp
          ? asDevice(() => client.sendEventBatch([message('two')]))
          : { ...noBatches, call: () => client.sendEventBatch([new device.Message('never')]) },
        'ModuleClient.sendOutputEvent': notOverHttp('outputs', async () => {
          const result = await client.sendOutputEvent('out', message('to an output'))
          assert.equal(result?.constructor.name, 'MessageEnqueued')
          assert.deepEqual(await saidBy(deviceId), sent)
        }),
        'ModuleClient.sendOutputEventBatch': {
          ...noBatches,
          call: () => client.sendOutputEventBatch('out', [new device.Message('never')]),
        },
        'on inputMessage': isHttp
          ? excused('the SDK has no inputs over HTTPS')
          : async () => {
              // Listening is what a hub has of it.
              const { _enableInputMessages: enable } = client as unknown as {
                readonly _enableInputMessages: (done: (error: Error | null) => void) => void
              }
              client.on('inputMessage', () => {})
              await promisify(enable.bind(client))()
            },
        'ModuleClient.complete': noInputs,
        'ModuleClient.reject': noInputs,
        'ModuleClient.abandon': noInputs,
        'ModuleClient.onMethod': notOverHttp('direct methods', async () => {
          client.onMethod('ping', (request, response) => {
            void response?.send(202, request?.payload)
          })
          if (isHttp) return
          const call = { methodName: 'ping', payload: { n: 1 }, connectTimeoutInSeconds: 10 }
          const { result } = await service.invokeDeviceMethod(deviceId, moduleId, call)
          assert.deepEqual(result, { status: 202, payload: { n: 1 } })
        }),
        'ModuleClient.invokeMethod': excused(
          'modules call methods at the gateway of their edge device alone; a hub does not let them',
          /UnauthorizedError/,
          async () => {
            const gated = `${text};GatewayHostName=localhost`
            const provider = device.SharedAccessKeyAuthenticationProvider.fromConnectionString(gated)
            const caller = ModuleClient.fromAuthenticationProvider(provider, transport)
            await caller.setOptions(options())
            const timeouts = { connectTimeoutInSeconds: 1, responseTimeoutInSeconds: 5 }
            await caller
              .invokeMethod(deviceId, { methodName: 'ping', payload: null, ...timeouts })
              .finally(() => provider.stop())
          },
        ),
        'ModuleClient.getTwin': notOverHttp('twins', async () => {
          twin = await client.getTwin()
          assert.equal(twin.properties.desired.$version, 1)
        }),
        ...twinSteps(
          () => twin,
          isHttp,
          async (patch) => {
            await registry.updateModuleTwin(deviceId, moduleId, patch, '*')
            return (await registry.getModuleTwin(deviceId, moduleId)).responseBody
          },
        ),
        'ModuleClient.close': async () => {
          assert.equal((await client.close())?.constructor.name, 'Disconnected')
        },
      },
      ['on inputMessage', 'reported.update', 'on properties.desired'],
    )
  })
