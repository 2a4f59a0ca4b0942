import { proved, type Section } from '../rule.ts'

const file = 'test/iot-hub-registry.test.ts'

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
  ],
}
