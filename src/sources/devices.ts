import { eventSource, eventTypes } from './event-source.ts'

const connection = {
  deviceConnectionStateEventInfo: {
    sequenceNumber: '000000000000000001D4132452F67CE200000002000000000000000000000001',
  },
  hubName: 'egtesthub1',
  deviceId: 'LogicAppTestDevice',
  moduleId: 'DeviceModuleID',
}

const properties = { $metadata: { $lastUpdated: '2018-01-02T19:17:44.4383997Z' }, $version: 1 }

const lifeCycle = {
  twin: {
    deviceId: 'LogicAppTestDevice',
    etag: 'AAAAAAAAAAE=',
    deviceEtag: 'null',
    status: 'enabled',
    statusUpdateTime: '0001-01-01T00:00:00',
    connectionState: 'Disconnected',
    lastActivityTime: '0001-01-01T00:00:00',
    cloudToDeviceMessageCount: 0,
    authenticationType: 'sas',
    x509Thumbprint: { primaryThumbprint: null, secondaryThumbprint: null },
    version: 2,
    properties: { desired: properties, reported: properties },
  },
  hubName: 'egtesthub1',
  deviceId: 'LogicAppTestDevice',
}

const telemetry = {
  properties: { Status: 'Active' },
  systemProperties: {
    'iothub-content-type': 'application/json',
    'iothub-content-encoding': 'utf-8',
    'iothub-connection-device-id': 'd1',
    'iothub-connection-auth-method':
      '{"scope":"device","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}',
    'iothub-connection-auth-generation-id': '123455432199234570',
    'iothub-enqueuedtime': '2019-01-07T20:58:30.48Z',
    'iothub-message-source': 'Telemetry',
  },
  body: { Weather: { Temperature: 900 }, Location: 'USA' },
}

/** Source: learn.microsoft.com/azure/event-grid/event-schema-iot-hub */
export const devices = eventSource({
  service: 'devices',
  topicType: 'Microsoft.Devices.IoTHubs',
  provider: 'Microsoft.Devices',
  displayName: 'Azure IoT Hub Accounts',
  description: 'Azure IoT Hub service events.',
  resourceType: 'Microsoft.Devices/IotHubs',
  exampleName: 'egtesthub1',
  upperCaseTopic: true,
  eventTypes: eventTypes(
    'Microsoft.Devices',
    { dataVersion: '1', subject: ['devices/{device}', 'devices/LogicAppTestDevice'] },
    {
      DeviceCreated: 'Published when a device is registered to an IoT hub.',
      DeviceDeleted: 'Published when a device is deleted from an IoT hub.',
      DeviceConnected: 'Published when a device is connected to an IoT hub.',
      DeviceDisconnected: 'Published when a device is disconnected from an IoT hub.',
      DeviceTelemetry: {
        description: 'Published when a telemetry message is sent to an IoT hub.',
        dataVersion: '',
        subject: ['devices/{device}', 'devices/d1'],
      },
    },
  ),
  documented: {
    examples: {
      DeviceCreated: lifeCycle,
      DeviceDeleted: lifeCycle,
      DeviceConnected: connection,
      DeviceDisconnected: connection,
      DeviceTelemetry: telemetry,
    },
    corrections: {
      // Modules alone have one.
      IotHubDeviceConnectedEventData: { optional: ['moduleId'] },
      IotHubDeviceDisconnectedEventData: { optional: ['moduleId'] },
      // The twin's own members begin with a dollar sign on the wire.
      DeviceTwin: { names: { metadata: '$metadata', version: '$version' } },
      DeviceTwinMetadata: { names: { lastUpdated: '$lastUpdated' } },
      // JSON in UTF-8 stays what it is, all else comes as a base64 string.
      IotHubDeviceTelemetryEventData: { types: { body: [] } },
    },
  },
})
