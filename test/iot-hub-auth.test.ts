import assert from 'node:assert/strict'
import { Agent, request } from 'node:https'
import { after, test } from 'node:test'
import device from 'azure-iot-device'
import { connectAsync, type IClientOptions } from 'mqtt'
import { issueTestCertificate, type TestCertificate, x509Of } from '../src/testing/client-certificates.ts'
import { closeAfter, type Ending } from '../src/testing/close-after.ts'
import { testDevices, tokenOf } from '../src/testing/iot-devices.ts'
import { hubId, iotHubs } from '../src/testing/iot-hubs.ts'
import { eventually, startTestServer } from '../src/testing/test-server.ts'

/*
 * Who may use an IoT hub: authorities that sign certificates of devices, as the control plane keeps them and devices come
 * by them.
 */

const server = await startTestServer({ after })
const { createHub, keyOf, connect } = iotHubs(server)
const hostName = await createHub('contoso')
const registry = connect(hostName, 'iothubowner', await keyOf('contoso', 'iothubowner'))
const { gateway, clientOf, isConnected } = testDevices(server, hostName, registry)

const root = await issueTestCertificate({ subject: 'CN=Contoso root', authority: true })
const factory = await issueTestCertificate({ subject: 'CN=Contoso factory', authority: true, by: root })
const certificates = `${hubId('contoso')}/certificates`

const upload = (name: string, { cert }: TestCertificate, isVerified?: boolean) =>
  server.call('PUT', `${certificates}/${name}`, {
    properties: { certificate: Buffer.from(cert).toString('base64'), isVerified },
  })

/** A certificate of the factory, with what lies between it and the root. */
async function certificateOf(name: string): Promise<TestCertificate> {
  const { cert, key } = await issueTestCertificate({ subject: `CN=${name}`, by: factory })
  return { cert: `${cert}${factory.cert}`, key }
}

async function registerBySubject(t: Ending, deviceId: string): Promise<void> {
  await registry.create({ deviceId, authentication: { type: 'certificateAuthority' } })
  closeAfter(t, () => registry.delete(deviceId).catch(() => {}))
}

const open = async (t: Ending, deviceId: string, certificate: TestCertificate) => {
  const client = await clientOf(t, `HostName=${gateway()};DeviceId=${deviceId};x509=true`, certificate)
  await client.open()
  return client
}

/** Telemetry over HTTPS; resolves with the status. */
const post = (deviceId: string, certificate: Partial<TestCertificate>, headers = {}) =>
  new Promise<number | undefined>((resolve, reject) => {
    const sent = request(
      `${server.https}/devices/${deviceId}/messages/events?api-version=2021-04-12`,
      { method: 'POST', ca: server.ca, ...certificate, headers, agent: new Agent() },
      (answer) => {
        answer.resume()
        resolve(answer.statusCode)
      },
    )
    sent.on('error', reject)
    sent.end('{}')
  })

test('a CA certificate of a hub is uploaded, proved, listed and deleted, each with its etag', async () => {
  const made = await upload('root', root)
  assert.equal(made.status, 201)
  const { subject, thumbprint, expiry, isVerified } = made.body.properties
  assert.deepEqual([subject, isVerified], ['CN=Contoso root', false])
  assert.equal(thumbprint, x509Of(root).fingerprint.replaceAll(':', ''))
  assert.equal(expiry, x509Of(root).validToDate.toUTCString())
  const withEtag = (method: string, path: string, etag: string, body?: unknown) =>
    fetch(`${server.http}${path}?api-version=2023-06-30`, {
      method,
      headers: { 'if-match': etag, ...(body !== undefined && { 'content-type': 'application/json' }) },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
  const path = `${certificates}/root`
  assert.equal((await withEtag('POST', `${path}/generateVerificationCode`, 'old')).status, 412)
  const coded = await withEtag('POST', `${path}/generateVerificationCode`, made.body.etag)
  assert.equal(coded.status, 200)
  const { etag, properties } = (await coded.json()) as {
    etag: string
    properties: { verificationCode: string }
  }
  const proofOf = async (name: string, by: TestCertificate) => ({
    certificate: Buffer.from((await issueTestCertificate({ subject: name, by })).cert).toString('base64'),
  })
  const code = `CN=${properties.verificationCode}`
  const another = await issueTestCertificate({ subject: 'CN=Contoso root', authority: true })
  assert.equal((await withEtag('POST', `${path}/verify`, etag, await proofOf('CN=guess', root))).status, 400)
  assert.equal((await withEtag('POST', `${path}/verify`, etag, await proofOf(code, another))).status, 400)
  const verified = await withEtag('POST', `${path}/verify`, etag, await proofOf(code, root))
  assert.equal(verified.status, 200)
  const now = (await verified.json()) as { etag: string; properties: { isVerified: boolean } }
  assert.equal(now.properties.isVerified, true)
  const list = await server.call('GET', certificates)
  assert.deepEqual(
    list.body.value.map((each: { name: string; etag: string }) => [each.name, each.etag]),
    [['root', now.etag]],
  )
  assert.equal((await withEtag('DELETE', path, etag)).status, 412)
  assert.equal((await withEtag('DELETE', path, now.etag)).status, 200)
})

test('a certificate that is no authority, and the 26th of a hub, are refused', async () => {
  const leaf = await issueTestCertificate({ subject: 'CN=leaf' })
  assert.match((await upload('leaf', leaf)).body.error.message, /basic constraints/)
  const other = `${hubId('contoso')}/certificates/ca`
  const body = { properties: { certificate: root.cert } }
  for (let n = 0; n < 25; n++) assert.equal((await server.call('PUT', `${other}${n}`, body)).status, 201)
  assert.notEqual((await server.call('PUT', `${other}25`, body)).status, 201)
  for (let n = 0; n < 25; n++) await server.call('DELETE', `${other}${n}`)
})

test('a device comes by a chain that ends in a verified authority of its hub, and names it', async (t) => {
  await registerBySubject(t, 'machine1')
  const certificate = await certificateOf('machine1')
  const refused = { name: 'UnauthorizedError' }
  await assert.rejects(open(t, 'machine1', certificate), refused, 'there is no authority')
  await upload('root', root)
  await assert.rejects(open(t, 'machine1', certificate), refused, 'the authority is not verified')
  await upload('root', root, true)
  t.after(() => server.call('DELETE', `${certificates}/root`))
  await assert.rejects(open(t, 'machine1', await certificateOf('machine2')), refused, 'the name is another')
  const alone = {
    ...certificate,
    cert: certificate.cert.slice(0, certificate.cert.indexOf('-----BEGIN', 10)),
  }
  await assert.rejects(open(t, 'machine1', alone), refused, 'the intermediate is missing')
  const client = await open(t, 'machine1', certificate)
  assert.equal(await isConnected('machine1'), true)
  await client.sendEvent(new device.Message('hello'))
})

test('a module names its device and itself, over a WebSocket too', async (t) => {
  await upload('root', root, true)
  t.after(() => server.call('DELETE', `${certificates}/root`))
  await registerBySubject(t, 'host1')
  await registry.addModule({
    ...{ deviceId: 'host1', moduleId: 'camera' },
    authentication: { type: 'certificateAuthority' } as object,
  })
  const as = async (name: string) =>
    connectAsync(`wss://localhost:${new URL(server.https).port}/$iothub/websocket`, {
      ...{ ca: server.ca, protocolVersion: 4, reconnectPeriod: 0, clientId: 'host1/camera' },
      username: `${hostName}/host1/camera/?api-version=2021-04-12`,
      ...(await certificateOf(name)),
    } as IClientOptions)
  await assert.rejects(as('host1'), { code: 5 })
  const client = await as('host1/camera')
  closeAfter(t, () => client.endAsync(true))
  const { responseBody } = await registry.getModule('host1', 'camera')
  assert.equal(responseBody.connectionState, 'Connected')
})

test('a device sends over HTTPS by its certificate, and by no other', async (t) => {
  await upload('root', root, true)
  t.after(() => server.call('DELETE', `${certificates}/root`))
  await registerBySubject(t, 'https1')
  assert.equal(await post('https1', await certificateOf('https1')), 204)
  assert.equal(await post('https1', await certificateOf('https2')), 401)
  assert.equal(await post('https1', {}), 401)
  const own = await issueTestCertificate({ subject: 'CN=any' })
  await registry.create({
    deviceId: 'https3',
    authentication: {
      type: 'selfSigned',
      x509Thumbprint: { primaryThumbprint: x509Of(own).fingerprint, secondaryThumbprint: '' },
    },
  })
  assert.equal(await post('https3', own), 204)
  const { responseBody } = await registry.create({ deviceId: 'https4' })
  const key = responseBody.authentication?.symmetricKey?.primaryKey as string
  const authorization = tokenOf(`${hostName}/devices/https4`, key)
  assert.equal(await post('https4', own, { authorization }), 204)
})

test('an authority that is deleted takes its devices with it, and one that is verified anew lets them back', async (t) => {
  await upload('root', root, true)
  await registerBySubject(t, 'orphan')
  const certificate = await certificateOf('orphan')
  const client = await open(t, 'orphan', certificate)
  let ended = false
  client.on('disconnect', () => {
    ended = true
  })
  await server.call('DELETE', `${certificates}/root`)
  await eventually(() => ended)
  assert.equal(await isConnected('orphan'), false)
  await assert.rejects(open(t, 'orphan', certificate), { name: 'UnauthorizedError' })
  await upload('root', root, true)
  await open(t, 'orphan', certificate)
  await server.call('DELETE', `${certificates}/root`)
})
