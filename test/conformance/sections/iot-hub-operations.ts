import { proved, type Rule, type Section } from '../rule.ts'

const every = 'test/iot-hub-every-operation.test.ts'
const registry = 'test/iot-hub-registry.test.ts'
const messages = 'test/iot-hub-messages.test.ts'
const devices = 'test/iot-hub-devices.test.ts'
const cloudToDevice = 'test/iot-hub-c2d.test.ts'
const configurations = 'test/iot-hub-configurations.test.ts'
const jobs = 'test/iot-hub-jobs.test.ts'
const files = 'test/iot-hub-files.test.ts'
const amqp = 'test/iot-hub-amqp.test.ts'
const events = 'test/iot-hub-events.test.ts'
const eventHubs = 'test/iot-hub-event-hubs.test.ts'
const routing = 'test/iot-hub-routing.test.ts'
const controlPlane = 'test/iot-hub-control-plane.test.ts'
const twins = 'test/iot-hub-digital-twins.test.ts'
const az = 'test/az.test.ts'

/** By operations of the official clients, each of which is a step of one test. */
const called = (rule: string, ...operations: readonly string[]): Rule =>
  proved(rule, ...operations.map((operation) => [every, `'${operation}'`] as const))

const refused = (rule: string, note: string, ...provedBy: NonNullable<Rule['provedBy']>): Rule => ({
  ...{ rule, note, provedBy },
  status: 'refused',
})

/** What each operation of a hub is, over the protocols in which it is offered. */
export const iotHubOperations: readonly Section[] = [
  {
    title: 'IoT hubs: the service API',
    source: 'learn.microsoft.com/rest/api/iothub/service',
    rules: [
      called('`PUT /devices/{id}` registers a device', 'Registry.create'),
      called('`PUT /devices/{id}` with `If-Match` changes it', 'Registry.update'),
      called('`GET /devices/{id}`', 'Registry.get'),
      called('`GET /devices`', 'Registry.list'),
      called('`DELETE /devices/{id}`', 'Registry.delete'),
      called(
        '`POST /devices` registers, changes and removes up to 100 devices',
        ...['Registry.addDevices', 'Registry.updateDevices', 'Registry.removeDevices'],
      ),
      called(
        '`PUT /devices/{id}/modules/{id}` registers a module and changes it',
        ...['Registry.addModule', 'Registry.updateModule'],
      ),
      called('`GET /devices/{id}/modules/{id}`', 'Registry.getModule'),
      called('`GET /devices/{id}/modules`', 'Registry.getModulesOnDevice'),
      called('`DELETE /devices/{id}/modules/{id}`', 'Registry.removeModule'),
      called('`GET /twins/{id}`', 'Registry.getTwin'),
      called('`PATCH /twins/{id}`', 'Registry.updateTwin'),
      proved('`PUT /twins/{id}` replaces tags and desired properties', [
        registry,
        'twins keep tags and desired properties with the moment and the version of each change',
      ]),
      called(
        '`GET` and `PATCH /twins/{id}/modules/{id}`',
        ...['Registry.getModuleTwin', 'Registry.updateModuleTwin'],
      ),
      called('`POST /twins/{id}/methods`', 'Client.invokeDeviceMethod'),
      called('`POST /twins/{id}/modules/{id}/methods`', 'ModuleClient.onMethod'),
      called('`POST /devices/query`, page by page', 'Registry.createQuery', 'Query.next', 'Query.nextAsTwin'),
      called('`GET /statistics/devices`', 'Registry.getRegistryStatistics'),
      proved('`GET /statistics/service`', [devices, 'a device connects by its key, and its hub says so']),
      called(
        '`PUT /configurations/{id}` makes a configuration and changes it',
        ...['Registry.addConfiguration', 'Registry.updateConfiguration'],
      ),
      called(
        '`GET /configurations/{id}` and `/configurations`',
        ...['Registry.getConfiguration', 'Registry.getConfigurations'],
      ),
      called('`DELETE /configurations/{id}`', 'Registry.removeConfiguration'),
      proved('`POST /configurations/testQueries`', [
        configurations,
        'what cannot be laid on anything is refused by its name',
      ]),
      called('`POST /devices/{id}/applyConfigurationContent`', 'Registry.applyConfigurationContentOnDevice'),
      called(
        '`POST /jobs/create` exports devices to a blob container, and imports them',
        ...['Registry.exportDevicesToBlob', 'Registry.importDevicesFromBlob'],
      ),
      refused(
        '`POST /jobs/create` reaches the container as an identity of the hub',
        '400 `ArgumentInvalid`: the URI of the container brings a shared access signature',
        [every, "'Registry.exportDevicesToBlobByIdentity'"],
        [every, "'Registry.importDevicesFromBlobByIdentity'"],
      ),
      called(
        '`GET /jobs`, `GET` and `DELETE /jobs/{id}`',
        ...['Registry.listJobs', 'Registry.getJob', 'Registry.cancelJob'],
      ),
      called(
        '`PUT /jobs/v2/{id}` changes twins and calls methods of many devices',
        ...['JobClient.scheduleTwinUpdate', 'JobClient.scheduleDeviceMethod'],
      ),
      called('`GET /jobs/v2/{id}` and `POST .../cancel`', 'JobClient.getJob', 'JobClient.cancelJob'),
      called('`GET /jobs/v2/query`', 'JobClient.createQuery'),
      proved('Jobs on single devices are found with `devices.jobs`', [
        jobs,
        'a job changes the twins of all devices that its condition matches, and says what became of each',
      ]),
      proved('`DELETE /devices/{id}/commands` purges what waits for a device', [
        cloudToDevice,
        'messages that wait are purged, and those of a device that is deleted go with it',
      ]),
      proved('`GET /messages/serviceBound/feedback`, with `DELETE` and `abandon`', [
        cloudToDevice,
        'feedback comes to the service over HTTP, and is deleted or comes again',
      ]),
      called(
        '`GET` and `PATCH /digitaltwins/{id}`',
        ...['DigitalTwinClient.getDigitalTwin', 'DigitalTwinClient.updateDigitalTwin'],
      ),
      {
        ...proved('A digital twin is checked against its model', [
          twins,
          'a digital twin shows what is wanted and what is acknowledged, of the root and of components',
        ]),
        status: 'differs',
        note: 'models are not read: a component is what says that it is one',
      },
      called(
        '`POST /digitaltwins/{id}/commands/{name}`, and those of components',
        ...['DigitalTwinClient.invokeCommand', 'DigitalTwinClient.invokeComponentCommand'],
      ),
      called(
        'Service clients come with a connection string, with a signature, or with a token of Microsoft Entra ID',
        'Registry.fromConnectionString',
        'Registry.fromSharedAccessSignature',
        'Registry.fromTokenCredential',
      ),
    ],
  },
  {
    title: 'IoT hubs: services over AMQP',
    source: 'learn.microsoft.com/azure/iot-hub/iot-hub-amqp-support',
    rules: [
      called('A message to `/messages/devicebound` goes to its device', 'Client.send'),
      called('Feedback comes from `/messages/serviceBound/feedback`', 'Client.getFeedbackReceiver'),
      called(
        'Notices of files come from `/messages/serviceBound/filenotifications`',
        ...['Client.getFileNotificationReceiver', 'ServiceReceiver.complete'],
      ),
      proved('The built-in endpoint is read by clients of Event Hubs', [
        eventHubs,
        'a message comes as devices sent it, with what the hub knows of it',
      ]),
      proved('Services come through a WebSocket too', [
        amqp,
        'a service client over WebSocket sends, and receives feedback and notices of files',
      ]),
    ],
  },
  {
    title: 'IoT hubs: devices over MQTT',
    source: 'learn.microsoft.com/azure/iot/iot-mqtt-connect-to-iot-hub',
    rules: [
      called('`devices/{id}/messages/events/` takes telemetry', 'Client.sendEvent'),
      called(
        '`devices/{id}/modules/{id}/messages/events/` takes that of a module and of its outputs',
        ...['ModuleClient.sendEvent', 'ModuleClient.sendOutputEvent'],
      ),
      called(
        '`devices/{id}/messages/devicebound/#` brings messages of services',
        'on message',
        'Client.complete',
      ),
      {
        ...called(
          '`devices/{id}/modules/{id}/inputs/#` brings what is routed to a module',
          'on inputMessage',
        ),
        status: 'differs',
        note: 'a module may listen, and nothing comes: an edge device routes messages to inputs',
      },
      called(
        '`$iothub/methods/POST/#` brings calls of methods, and `res` takes answers',
        'Client.onDeviceMethod',
      ),
      called('`$iothub/twin/GET/` is answered with the twin', 'Client.getTwin', 'Twin.get'),
      called('`$iothub/twin/PATCH/properties/reported/` reports properties', 'reported.update'),
      called(
        '`$iothub/twin/PATCH/properties/desired/#` brings what is desired',
        ...['Twin.enableTwinDesiredPropertiesUpdates', 'on properties.desired'],
      ),
    ],
  },
  {
    title: 'IoT hubs: devices over AMQP',
    source: 'learn.microsoft.com/azure/iot-hub/iot-hub-amqp-support',
    rules: [
      proved('`$cbs` takes tokens, and a new one keeps the connection', [
        amqp,
        'a new token keeps the connection, and an expired one ends it',
      ]),
      proved('A client signs in by SASL PLAIN or ANONYMOUS', [
        amqp,
        'a client signs in by SASL ${mechanism}',
      ]),
      proved('A device proves itself by its certificate', [
        amqp,
        'a device connects by a certificate whose thumbprint the registry has',
      ]),
      proved(
        'A sender to `/devices/{id}/messages/events` sends telemetry, one by one and in batches',
        [amqp, 'telemetry over AMQP becomes an event, with the properties of the message'],
        [amqp, 'messages that are sent as one are accepted as one, and raise an event each'],
      ),
      proved('A receiver from `/devices/{id}/messages/devicebound` completes, rejects and abandons', [
        amqp,
        'a device completes, rejects and abandons what it is sent, each once or again',
      ]),
      proved('Links at `/devices/{id}/methods/devicebound` carry calls of methods', [
        amqp,
        'a service client calls a method on a device',
      ]),
      proved('Links at `/devices/{id}/twin` carry the twin', [
        amqp,
        'a device reads and reports its twin, and hears of what is desired while it wants to',
      ]),
      proved('A module has links of its own below `/devices/{id}/modules/{id}`', [
        amqp,
        'a module connects as itself',
      ]),
      proved('A link without a token for it, or to nothing, is refused with its reason', [
        amqp,
        'links without a token are refused, and so are those that a token gives no right to',
      ]),
    ],
  },
  {
    title: 'IoT hubs: devices over HTTPS',
    source: 'learn.microsoft.com/rest/api/iothub/device',
    rules: [
      proved('`POST /devices/{id}/messages/events` takes a message, or a batch', [
        messages,
        'a device that has no connection sends telemetry over HTTPS, one by one and in batches',
      ]),
      proved(
        '`GET /devices/{id}/messages/devicebound` brings a message, which is completed, rejected or abandoned',
        [cloudToDevice, 'a device receives, completes, rejects and abandons messages over HTTPS'],
      ),
      called(
        '`POST /devices/{id}/files` gives a signature for a blob, whatever the transport',
        ...['Client.getBlobSharedAccessSignature', 'Client.uploadToBlob'],
      ),
      proved('`POST /devices/{id}/files/notifications` tells that an upload has ended', [
        files,
        'an upload is named in the path or in the body, ends once, and outlives the server',
      ]),
      refused(
        '`POST /twins/{id}/methods` of a module, at the gateway of its edge device',
        '401: a hub is no edge device',
        [every, "'ModuleClient.invokeMethod'"],
      ),
    ],
  },
  {
    title: 'IoT hubs: the control plane',
    source: 'learn.microsoft.com/rest/api/iothub/iot-hub-resource',
    rules: [
      proved('A hub is made, read, listed, changed and deleted', [
        az,
        'az makes an IoT hub and all that belongs to it, and asks how it does',
      ]),
      proved('Shared access policies are made, listed and deleted, and their keys swapped', [
        az,
        "part('policy renew-key'",
      ]),
      proved('Consumer groups of the built-in endpoint', [
        events,
        'consumer groups are made below the built-in endpoint, beside the one that is always there',
      ]),
      proved('CA certificates are uploaded, proved and deleted', [
        az,
        'az uploads the CA certificate of an IoT hub, proves that its key is at hand, and deletes it',
      ]),
      proved('`routing/routes/$testall` and `$testnew` try routes', [
        routing,
        'routes are tried on a message that a request gives',
      ]),
      proved('`routingEndpointsHealth` of a hub', [
        controlPlane,
        'a hub tells how its endpoints take what it sends them',
      ]),
      proved('`quotaMetrics` and `IotHubStats` of a hub', [
        controlPlane,
        'a hub tells how many devices it has, and how much of its quotas is taken',
      ]),
      proved('`skus` of a hub', [controlPlane, 'a hub tells which editions it may become']),
      proved('`exportDevices`, `importDevices` and `jobs` of a hub', [
        controlPlane,
        'devices are exported and imported by jobs of the control plane',
      ]),
      proved('`checkNameAvailability` tells whether a hub of that name may be made', [az, "hub('show')"]),
      refused('`failover` of a hub', '400 `OperationNotSupported`: there is no other region', [
        controlPlane,
        'what a hub does not do is refused by its name',
      ]),
    ],
  },
]
