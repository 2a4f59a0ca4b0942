import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeHubMessaging, fillHubMessaging, hubMessagingDefaults } from './hub-messaging.ts'
import { hubPropertiesOf, iotHubs } from './iot-hubs.ts'

const decode = (properties: Record<string, unknown>, before?: ReturnType<typeof iotHubs.decode>) =>
  iotHubs.decode(properties, { before, name: 'contoso' } as never)

const connectionString =
  'DefaultEndpointsProtocol=https;AccountName=files;AccountKey=a2V5;EndpointSuffix=core.windows.net'

test('what a hub leaves out of its cloud-to-device settings is at its default, and shown', () => {
  const { properties } = decode({ cloudToDevice: { MaxDeliveryCount: 3, feedback: { ttlAsIso8601: 'P2D' } } })
  assert.deepEqual(properties.cloudToDevice, {
    maxDeliveryCount: 3,
    defaultTtlAsIso8601: 'PT1H',
    feedback: { lockDurationAsIso8601: 'PT1M', ttlAsIso8601: 'P2D', maxDeliveryCount: 10 },
  })
  assert.deepEqual(properties.messagingEndpoints, hubMessagingDefaults.messagingEndpoints)
  assert.deepEqual(decodeHubMessaging(properties).cloudToDevice, {
    maxDeliveryCount: 3,
    defaultTtlMs: 3_600_000,
    feedback: { lockMs: 60_000, ttlMs: 172_800_000, maxDeliveryCount: 10 },
  })
  assert.deepEqual(decodeHubMessaging(fillHubMessaging({})), decodeHubMessaging({}))
})

test('a setting that the service would not take is refused, and named', () => {
  const feedback = (members: Record<string, unknown>) => ({ cloudToDevice: { feedback: members } })
  const file = (members: Record<string, unknown>) => ({ storageEndpoints: { $default: members } })
  for (const [properties, name] of [
    [{ cloudToDevice: { maxDeliveryCount: 101 } }, 'properties.cloudToDevice.maxDeliveryCount'],
    [{ cloudToDevice: { defaultTtlAsIso8601: 'P2DT1S' } }, 'properties.cloudToDevice.defaultTtlAsIso8601'],
    [{ cloudToDevice: { defaultTtlAsIso8601: 'two days' } }, 'properties.cloudToDevice.defaultTtlAsIso8601'],
    [feedback({ lockDurationAsIso8601: 'PT4S' }), 'properties.cloudToDevice.feedback.lockDurationAsIso8601'],
    [
      { messagingEndpoints: { fileNotifications: { maxDeliveryCount: 0 } } },
      'properties.messagingEndpoints.fileNotifications.maxDeliveryCount',
    ],
    [
      file({ connectionString: 'nothing', containerName: 'files' }),
      'properties.storageEndpoints.$default.connectionString',
    ],
    [file({ connectionString, containerName: 'No' }), 'properties.storageEndpoints.$default.containerName'],
    [{ storageEndpoints: { other: {} } }, 'properties.storageEndpoints.other'],
  ] as const)
    assert.throws(
      () => decode(properties),
      (error: Error) => error.message.includes(name),
      name,
    )
})

test('the connection string of a hub is told by no GET, and kept by a body that repeats what a GET has told', () => {
  const $default = { connectionString, containerName: 'files', sasTtlAsIso8601: 'PT2H' }
  const first = decode({ storageEndpoints: { $default } })
  assert.equal(JSON.stringify(first.properties).includes('AccountKey'), false)
  const second = decode(first.properties, first)
  assert.deepEqual(decodeHubMessaging(hubPropertiesOf(second)).storage, {
    ...{ connectionString, containerName: 'files', sasTtlMs: 7_200_000 },
  })
  assert.equal(decodeHubMessaging(hubPropertiesOf(decode({}, first))).storage, undefined)
})
