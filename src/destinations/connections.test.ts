import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Connection, connectionOf, decodeConnections } from './connections.ts'

const providers = '/subscriptions/S/resourceGroups/G/providers'
const namespace = `${providers}/Microsoft.ServiceBus/namespaces/Bus`
const queue = `${namespace}/queues/Orders`
const account = `${providers}/Microsoft.Storage/storageAccounts/letters`
const app = `${providers}/Microsoft.Web/sites/app`
const development = { connectionString: 'UseDevelopmentStorage=true' }

const secret = 'c2VjcmV0LW9mLXRoZS1idXM='
const connectionString = `Endpoint=sb://bus.servicebus.windows.net/;SharedAccessKeyName=Root;SharedAccessKey=${secret}`

test('a resource is reached by its own connection, and else by that of the resource it lives in', () => {
  const url = 'amqp://127.0.0.1:5672'
  const around = decodeConnections({ [namespace]: { connectionString } })
  assert.deepEqual(connectionOf(around, queue.toUpperCase()), { connectionString })
  const both = decodeConnections({ [namespace]: { connectionString }, [`${queue}/`]: { url: `${url}/` } })
  assert.deepEqual(connectionOf(both, queue), { url })
  assert.deepEqual(connectionOf(both, `${namespace}/topics/other`), { connectionString })
  assert.equal(
    connectionOf(both, `${providers}/Microsoft.ServiceBus/namespaces/Bus2/queues/Orders`),
    undefined,
  )
  assert.equal(connectionOf(both, account), undefined)
})

test('a function is reached by the connection of its app', () => {
  const connections = decodeConnections({ [app]: { url: 'http://127.0.0.1:7071', key: 'k' } })
  assert.deepEqual(connectionOf(connections, `${app}/functions/OnOrder`), {
    url: 'http://127.0.0.1:7071',
    key: 'k',
  })
})

const wrong: readonly (readonly [string, string, Connection, RegExp])[] = [
  ['an id of another type', `${providers}/Microsoft.Sql/servers/s`, { url: 'https://a' }, /types: .*sites/],
  ['no id', 'letters', { connectionString: 'x' }, /'letters' is not the ARM id/],
  ['a member that its type does not take', account, { connectionString: 'x', key: 'k' }, /has 'key'/],
  ['a storage account without connection string', account, {}, /needs connectionString/],
  [
    'a storage account without key',
    account,
    { connectionString: 'AccountName=a' },
    /has a connectionString that has neither AccountName and AccountKey nor SharedAccessSignature/,
  ],
  ['two ways at once', queue, { connectionString, url: 'amqp://h' }, /exactly one of connectionString, url/],
  ['a url of another scheme', app, { url: 'amqp://h' }, /http:\/\/host:port, https:\/\/host:port/],
  ['a broker with a path', queue, { url: 'amqp://h/orders' }, /a url that is none of amqp:/],
  ['a broker with a password for nobody', queue, { url: 'amqp://:b@h' }, /a url that is none of amqp:/],
  ['a broker whose password ends in half a letter', queue, { url: 'amqp://a:b%e@h' }, /a url that is none/],
  ['a url with a password, where there is a key for it', app, { url: 'https://a:b@h' }, /a url that is none/],
  [
    'a connection string that cannot be read',
    namespace,
    { connectionString: connectionString.replace('Endpoint', 'Endpont') },
    /has a connectionString that has a part that is none of Endpoint, /,
  ],
]
for (const [name, id, connection, message] of wrong)
  test(`refused, without a word of its secrets: ${name}`, () => {
    assert.throws(
      () => decodeConnections({ [id]: connection }),
      (error: Error) => {
        assert.match(error.message, message)
        assert.ok(!error.message.includes(secret) && !error.message.includes('a:b@'))
        return error.name === 'OperatorError'
      },
    )
  })

test('one resource under two spellings is refused', () => {
  const twice = { [account]: development, [account.toUpperCase()]: development }
  assert.throws(() => decodeConnections(twice), /is there twice/)
})
