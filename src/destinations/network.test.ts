import assert from 'node:assert/strict'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { createConnector, isPublic, type NetworkRules, openNetworkRules } from './network.ts'

const closedRules: NetworkRules = { ...openNetworkRules, allowPrivateAddresses: false }

for (const address of [
  '127.0.0.1',
  '10.1.2.3',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.1.1',
  '169.254.169.254',
  '100.64.0.1',
  '0.0.0.0',
  '::',
  '::1',
  'fe80::1',
  'fd00::1',
  '::ffff:127.0.0.1',
  '::ffff:a9fe:a9fe',
  '::7f00:1',
  '64:ff9b::10.0.0.1',
  '2002:7f00:1::',
])
  test(`${address} is private`, () => assert.equal(isPublic(address), false))

for (const address of ['8.8.8.8', '172.32.0.1', '100.128.0.1', '2606:4700::1111', '64:ff9b::8.8.8.8'])
  test(`${address} is public`, () => assert.equal(isPublic(address), true))

/** The error code of connecting to that host, or undefined when the connection was made. */
async function connect(rules: NetworkRules, hostname: string, port: number): Promise<string | undefined> {
  const connector = createConnector(rules, 5_000)
  return await new Promise((resolve) => {
    connector({ hostname, host: hostname, protocol: 'http:', port: String(port) }, (error, socket) => {
      socket?.destroy()
      resolve(error ? (error as NodeJS.ErrnoException).code : undefined)
    })
  })
}

test('the rules are applied to the address that a connection is made to', async (t) => {
  const server = createServer((socket) => socket.destroy())
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo

  await t.test('a private address is refused', async () => {
    assert.equal(await connect(closedRules, '127.0.0.1', port), 'BUSBAR_NOT_ALLOWED')
  })
  await t.test('a name that resolves to a private address is refused', async () => {
    assert.equal(await connect(closedRules, 'localhost', port), 'BUSBAR_NOT_ALLOWED')
  })
  await t.test('a host on the list of allowed hosts may be private', async () => {
    assert.equal(await connect({ ...closedRules, allowedHosts: ['LocalHost'] }, 'localhost', port), undefined)
    assert.equal(await connect({ ...closedRules, allowedHosts: ['127.0.0.1'] }, '127.0.0.1', port), undefined)
  })
  await t.test('private addresses may be allowed altogether', async () => {
    assert.equal(await connect(openNetworkRules, 'localhost', port), undefined)
  })
  await t.test('http is refused unless it is allowed', async () => {
    const rules = { ...openNetworkRules, allowHttp: false }
    assert.equal(await connect(rules, '127.0.0.1', port), 'BUSBAR_NOT_ALLOWED')
  })
})
