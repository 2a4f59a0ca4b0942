import { proved, type Section } from '../rule.ts'

const file = 'test/iot-hub-registry.test.ts'
const connections = 'test/iot-hub-devices.test.ts'
const messages = 'test/iot-hub-messages.test.ts'
const routing = 'test/iot-hub-routing.test.ts'

export const iotHub: Section = {
  title: 'IoT hubs',
  source: 'learn.microsoft.com/rest/api/iothub/service',
  rules: [
    proved('Devices are registered, found, changed and removed by the service API', [
      file,
      'a device is registered, found, changed and removed',
    ]),
    proved('An id may have every character that the registry allows', [
      file,
      'ids with every character that they may have are told apart',
    ]),
    proved('A twin keeps tags, and desired properties with the moment and the version of each change', [
      file,
      'twins keep tags and desired properties with the moment and the version of each change',
    ]),
    proved('A device may have modules, which go with it', [
      file,
      'modules are part of their device and go with it',
    ]),
    proved('Up to 100 devices are registered, changed or removed by one request, each for itself', [
      file,
      'many devices are registered at once, each for itself, and queries find them page by page',
    ]),
    proved('Queries in the query language find devices and modules, page by page, and count them', [
      file,
      'many devices are registered at once, each for itself, and queries find them page by page',
    ]),
    proved('A shared access policy lets its holder do what its rights say', [
      file,
      'a policy lets its holder do what its rights say, and a wrong or expired key nothing',
    ]),
    proved('DeviceCreated and DeviceDeleted are raised for devices, and not for modules', [
      file,
      'devices that come and go raise events that the official client knows',
    ]),
    proved('The host name of a request tells which hub it is for', [
      file,
      'where two hubs are, each answers to its own host name and localhost means neither',
    ]),
    proved('Devices connect over MQTT 3.1.1 with a token of their own key', [
      connections,
      'a device connects by its key, and its hub says so',
    ]),
    proved('The hub that a device means is in its MQTT user name, whatever name the socket was opened to', [
      connections,
      'where two hubs are, a device reaches the one that its user name says',
    ]),
    proved('A policy with DeviceConnect connects devices', [
      connections,
      'a device connects by a policy that may connect devices, and by no other',
    ]),
    proved('A self-signed certificate whose thumbprint is registered connects its device', [
      connections,
      'a device connects by a certificate whose thumbprint the registry has',
    ]),
    proved('Modules connect as themselves', [
      connections,
      'a module connects as itself, and its device stays disconnected',
    ]),
    proved('CONNECT is refused with 2, 4 or 5 by what is wrong, and MQTT 5 whatever it says', [
      connections,
      'wrong keys, scopes, names and versions are refused, each with its return code',
    ]),
    proved('A device has one connection; a second one ends the first', [
      connections,
      'a second connection of a device ends the first',
    ]),
    proved('A connection ends with its token', [connections, 'a connection ends when its token has expired']),
    proved('A device that is disabled or deleted is disconnected', [
      connections,
      'a device that is disabled or deleted is disconnected at once, and comes back when it may',
    ]),
    proved('Devices use their own topics alone, and QoS 2 ends the connection', [
      connections,
      'a device publishes and subscribes to its own topics alone, at QoS 0 and 1',
    ]),
    proved('Devices connect through a WebSocket to /$iothub/websocket', [
      connections,
      'the official client connects through a WebSocket',
    ]),
    proved('A message raises DeviceTelemetry, its body as JSON where it says and is so', [
      messages,
      'a message of a device raises DeviceTelemetry, with its body where that is JSON in UTF-8',
    ]),
    proved('RETAIN becomes the property mqtt-retain', [
      messages,
      'what is said to be JSON and is not comes as base64, and RETAIN as a property',
    ]),
    proved('A message has at most 256 KB', [messages, 'a message of more than 256 KB ends the connection']),
    proved('A last will is telemetry', [
      messages,
      'a will is telemetry when the device is lost, and nothing when it says goodbye',
    ]),
    proved('DeviceConnected and DeviceDisconnected have sequence numbers that grow', [
      messages,
      'a device that connects and leaves raises events whose numbers grow, across a restart too',
    ]),
    proved('A connected device that is deleted is disconnected before', [
      messages,
      'a connected device that is deleted is disconnected first, and its last will is not heard',
    ]),
    proved('A device reads its twin, reports properties and hears of desired ones', [
      messages,
      'a device reads its twin, reports properties, and hears of desired ones',
    ]),
    proved('What a twin does not take is answered with an error', [
      messages,
      'what a twin does not take is answered with an error, and other devices hear nothing',
    ]),
    proved('A service calls direct methods on a device', [
      messages,
      'a service calls methods on a device and gets its answer',
    ]),
    proved('A direct method fails with 404 or 504 where the device is not there or does not answer', [
      messages,
      'a method called on a device that is not there, or does not answer, fails in time',
    ]),
    proved('Devices send telemetry over HTTPS, one by one and in batches', [
      messages,
      'a device that has no connection sends telemetry over HTTPS, one by one and in batches',
    ]),
    proved('A chain that ends in a verified authority of the hub connects a device', [
      'test/iot-hub-auth.test.ts',
      'a device comes by a chain that ends in a verified authority of its hub, and names it',
    ]),
    proved('Roles of Microsoft Entra ID permit what they say of a hub', [
      'test/iot-hub-entra.test.ts',
      'a registry contributor makes and removes devices, and reads no twin',
    ]),
    proved('Routes lead messages to endpoints by conditions, each once', [
      routing,
      'telemetry goes to the endpoints whose conditions hold, each once, with what the hub knows of it',
    ]),
    proved('Messages are gathered into blobs by the format of their names', [
      routing,
      'messages are gathered into blobs, named by the format, a line of JSON for each',
    ]),
    proved('The route to Event Grid has a condition and enrichments of its own', [
      routing,
      'the route to Event Grid has a condition and enrichments of its own',
    ]),
    proved('Life-cycle and twin-change messages are routed by their source', [
      routing,
      'what becomes of devices and twins goes to the routes that have its source',
    ]),
    proved('Up to five receivers read a partition in one consumer group', [
      'test/iot-hub-event-hubs.test.ts',
      'five receivers read a partition side by side in one consumer group, and no sixth',
    ]),
    proved('The configuration with the higher priority wins', [
      'test/iot-hub-configurations.test.ts',
      'the higher priority wins where two set the same, and what is left takes its place again',
    ]),
    {
      ...proved('An edition takes so much of everything, and no more', [
        'test/iot-hub-quotas.test.ts',
        'the hundred-and-first operation of a minute on the registry is refused, and the next minute takes more',
      ]),
      status: 'differs',
      note: 'with the profile `strict` alone',
    },
  ],
}
