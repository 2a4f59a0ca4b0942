import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeConnectionString } from './connection-string.ts'

const whole =
  'Endpoint=sb://Bus.servicebus.windows.net/;SharedAccessKeyName=Root;SharedAccessKey=YWJj+/ZGVm==;EntityPath=orders'
const decoded = {
  host: 'bus.servicebus.windows.net',
  port: undefined,
  keyName: 'Root',
  key: 'YWJj+/ZGVm==',
  entityPath: 'orders',
  emulator: false,
}

test('a connection string is read whatever the order, letter case and blanks of its parts', () => {
  assert.deepEqual(decodeConnectionString(whole), decoded)
  const reordered = whole
    .split(';')
    .toReversed()
    .join(' ; ')
    .replace('SharedAccessKeyName', 'sharedaccesskeyname')
  assert.deepEqual(decodeConnectionString(`${reordered};`), decoded)
})

test('the emulator has a port of its own, and no entity', () => {
  const text =
    'Endpoint=sb://localhost:5673;SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=SAS_KEY_VALUE;UseDevelopmentEmulator=true;'
  assert.deepEqual(decodeConnectionString(text), {
    host: 'localhost',
    port: 5673,
    keyName: 'RootManageSharedAccessKey',
    key: 'SAS_KEY_VALUE',
    entityPath: undefined,
    emulator: true,
  })
})

test('an endpoint may be an IPv6 address', () => {
  const read = decodeConnectionString(whole.replace('Bus.servicebus.windows.net', '[::1]:1'))
  assert.ok(typeof read !== 'string')
  assert.deepEqual([read.host, read.port], ['::1', 1])
})

const wrong: readonly (readonly [string, string])[] = [
  [whole.replace('sb://Bus.servicebus.windows.net/', ''), 'lacks Endpoint'],
  [whole.replace('sb://', 'ftp://'), 'has an Endpoint that is no sb://host'],
  [whole.replace(';SharedAccessKeyName=Root', ''), 'lacks SharedAccessKeyName'],
  [whole.replace(/SharedAccessKey=[^;]*;/, ''), 'lacks SharedAccessKey'],
  [`${whole};EntityPath=other`, 'has EntityPath twice'],
  [`${whole};UseDevelopmentEmulator=yes`, 'has a UseDevelopmentEmulator that is neither true nor false'],
  [`${whole};nonsense`, 'has a part without an equals sign'],
  [
    whole.replace('SharedAccessKey=', 'SharedAccessSignature='),
    'has a part that is none of Endpoint, SharedAccessKeyName, SharedAccessKey, EntityPath, UseDevelopmentEmulator',
  ],
]
for (const [text, why] of wrong)
  test(`a connection string is refused that ${why}`, () => {
    assert.equal(decodeConnectionString(text), why)
  })
