import assert from 'node:assert/strict'
import { KeyObject, randomUUID, webcrypto } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { AuthorizationManagementClient } from '@azure/arm-authorization'
import { EventGridManagementClient } from '@azure/arm-eventgrid'
import { EventGridPublisherClient } from '@azure/eventgrid'
import {
  ClientAssertionCredential,
  ClientCertificateCredential,
  ClientSecretCredential,
} from '@azure/identity'
import { importPKCS8, SignJWT } from 'jose'
import { defaultSubscriptionId } from '../src/arm/arm.ts'
import { subscription } from '../src/testing/control-plane.ts'
import { type Received, startRecordingWebhook } from '../src/testing/recording-webhook.ts'
import { temporaryDirectory } from '../src/testing/temporary-directory.ts'
import { startTestServer } from '../src/testing/test-server.ts'
import { startTokenIssuer } from '../src/testing/token-issuer.ts'

/*
 * A server that only those may manage whom its configuration names: principals that sign in as administrators, and
 * publishers whose tokens another issuer has made.
 */

const administratorKey = 'a-key-of-an-administrator'
const principal = (digit: string, administrator: boolean) => ({
  name: `principal ${digit}`,
  clientId: `${digit}0000000-0000-4000-8000-000000000000`,
  objectId: `${digit}1111111-0000-4000-8000-000000000000`,
  clientSecret: `the-long-secret-of-${digit}`,
  administrator,
})
const administrator = principal('a', true)
const publisher = principal('b', false)
const outside = await startTokenIssuer({ after })
const certified = await issueClientCertificate()
const directory = await temporaryDirectory({ after })
writeFileSync(join(directory, 'client.pem'), certified.certificate)
const server = await startTestServer(
  { after },
  {
    administratorKey,
    file: {
      auth: {
        administrators: [{ name: 'ada', key: administratorKey }],
        principals: [
          administrator,
          publisher,
          {
            name: 'with a certificate',
            clientId: 'c0000000-0000-4000-8000-000000000000',
            certificate: join(directory, 'client.pem'),
            administrator: true,
          },
        ],
        issuers: [{ issuer: outside.url }],
      },
    },
  },
)
setDefaultCACertificates([...getCACertificates(), server.ca])

const signIn = ({ clientId, clientSecret }: typeof publisher) =>
  new ClientSecretCredential(defaultSubscriptionId, clientId, clientSecret, {
    authorityHost: server.https,
    disableInstanceDiscovery: true,
  })
const sender = `${subscription}/providers/Microsoft.Authorization/roleDefinitions/d5a91429-5739-47e2-a06b-3470a27159e7`
const event = { eventType: 'Order.Placed', subject: '/orders/1', dataVersion: '1.0', data: {} }

for (const credentialScopes of [undefined, 'https://management.azure.com/.default'])
  test(`an administrator that signs in manages, with a token for ${credentialScopes ?? 'the endpoint'}`, async () => {
    const settings = { endpoint: server.https, ...(credentialScopes !== undefined && { credentialScopes }) }
    const client = (as: typeof publisher) =>
      new EventGridManagementClient(signIn(as), defaultSubscriptionId, settings)
    const topic = await client(administrator).topics.get('rg', 'orders')
    assert.equal(topic.name, 'orders')
    await assert.rejects(client(publisher).topics.get('rg', 'orders'), {
      statusCode: 403,
      code: 'AuthorizationFailed',
    })
  })

test('a principal signs in with its certificate', async () => {
  const credential = new ClientCertificateCredential(
    defaultSubscriptionId,
    'c0000000-0000-4000-8000-000000000000',
    { certificate: certified.certificate + certified.key },
    { authorityHost: server.https, disableInstanceDiscovery: true },
  )
  const client = new EventGridManagementClient(credential, defaultSubscriptionId, { endpoint: server.https })
  assert.equal((await client.topics.get('rg', 'orders')).name, 'orders')
})

test('a principal signs in with an assertion that it makes itself, for this server and for no other', async () => {
  const clientId = 'c0000000-0000-4000-8000-000000000000'
  const key = await importPKCS8(certified.key, 'RS256')
  const read = (audience: string) => {
    const assertion = () =>
      new SignJWT({ jti: randomUUID() })
        .setProtectedHeader({ alg: 'RS256' })
        .setIssuer(clientId)
        .setSubject(clientId)
        .setAudience(audience)
        .setExpirationTime('5m')
        .sign(key)
    const credential = new ClientAssertionCredential(defaultSubscriptionId, clientId, assertion, {
      authorityHost: server.https,
      disableInstanceDiscovery: true,
    })
    const client = new EventGridManagementClient(credential, defaultSubscriptionId, {
      endpoint: server.https,
    })
    return client.topics.get('rg', 'orders')
  }
  const path = `/${defaultSubscriptionId}/oauth2/v2.0/token`
  assert.equal((await read(server.https + path)).name, 'orders')
  await assert.rejects(read(`https://login.example.org${path}`), /50027/)
})

test('what a principal does is written down in its name', async () => {
  const client = new EventGridManagementClient(signIn(administrator), defaultSubscriptionId, {
    endpoint: server.https,
  })
  const topic = await client.topics.beginCreateOrUpdateAndWait('rg', 'by-principal', { location: 'westus2' })
  assert.equal(topic.systemData?.createdBy, 'principal a')
})

test('a resource event tells the claims of the token that asked, under their long names, and not the token', async (t) => {
  const hook = await startRecordingWebhook(t)
  const client = new EventGridManagementClient(signIn(administrator), defaultSubscriptionId, {
    endpoint: server.https,
  })
  await client.eventSubscriptions.beginCreateOrUpdateAndWait(subscription, 'claims', {
    destination: { endpointType: 'WebHook', endpointUrl: hook.url },
  })
  await hook.until(1)
  const { body } = hook.received[0] as Received
  const [{ data }] = body as [{ data: { claims: Record<string, string> } }]
  const names = Object.keys(data.claims)
  assert.deepEqual(names.slice(0, 5), ['aud', 'iss', 'iat', 'nbf', 'exp'])
  assert.partialDeepStrictEqual(data.claims, {
    appid: administrator.clientId,
    'http://schemas.microsoft.com/identity/claims/objectidentifier': administrator.objectId,
    'http://schemas.xmlsoap.org/ws/2005/05/identity/claims/nameidentifier': administrator.objectId,
    'http://schemas.microsoft.com/identity/claims/tenantid': defaultSubscriptionId,
  })
  assert.match(data.claims.exp ?? '', /^\d+$/)
  assert.doesNotMatch(JSON.stringify(body), /eyJ/)
  await client.eventSubscriptions.beginDeleteAndWait(subscription, 'claims')
})

test('a publisher of another issuer sends once a role is assigned to it, or to a group of its', async () => {
  const roles = new AuthorizationManagementClient(signIn(administrator), defaultSubscriptionId, {
    endpoint: server.https,
  })
  const topic = await server.createTopic('from-outside')
  const oid = randomUUID()
  const group = randomUUID()
  const soon = Date.now() + 600_000
  const send = async (claims: Record<string, unknown>, expiresAt = soon) => {
    const token = await outside.token({ aud: 'https://eventgrid.azure.net', ...claims }, expiresAt)
    const credential = { getToken: () => Promise.resolve({ token, expiresOnTimestamp: soon }) }
    await new EventGridPublisherClient(topic.endpoint, 'EventGrid', credential).send([event])
  }
  await assert.rejects(send({ oid }), { statusCode: 401 })
  const byId = randomUUID()
  await roles.roleAssignments.create(topic.id, byId, { roleDefinitionId: sender, principalId: oid })
  await send({ oid })
  await assert.rejects(send({ oid, aud: 'api://else' }), (error: { statusCode: number; message: string }) => {
    assert.equal(error.statusCode, 401)
    assert.match(error.message, /audience "api:\/\/else"; expected https:\/\/eventgrid\.azure\.net/)
    return true
  })
  await assert.rejects(send({ oid }, Date.now() - 120_000), /expired at/)
  await roles.roleAssignments.delete(topic.id, byId)
  await assert.rejects(send({ oid, groups: [group] }), { statusCode: 401 })
  await roles.roleAssignments.create(topic.id, randomUUID(), {
    roleDefinitionId: sender,
    principalId: group,
    principalType: 'Group',
  })
  await send({ oid, groups: [group] })
})

test('while another issuer is out of reach its tokens are an outage, and keys go on', async () => {
  const stranger = await startTokenIssuer({ after })
  stranger.down = true
  const second = await startTestServer({ after }, { file: { auth: { issuers: [{ issuer: stranger.url }] } } })
  const token = await stranger.token({ aud: 'https://eventgrid.azure.net' }, Date.now() + 600_000)
  const topic = await second.createTopic('unreachable')
  const answer = await fetch(second.http + new URL(topic.endpoint).pathname, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    body: '[]',
  })
  assert.equal(answer.status, 503)
  assert.ok(answer.headers.has('retry-after'))
  await second.publish({ id: '1' }, { topic: 'unreachable' })
})

/** An RSA certificate that signs itself, as the official client takes it; both in PEM. */
async function issueClientCertificate(): Promise<{ readonly certificate: string; readonly key: string }> {
  await import('reflect-metadata')
  const x509 = await import('@peculiar/x509')
  const algorithm = {
    name: 'RSASSA-PKCS1-v1_5',
    hash: 'SHA-256',
    modulusLength: 2048,
    publicExponent: new Uint8Array([1, 0, 1]),
  }
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=client',
    keys,
    signingAlgorithm: algorithm,
  })
  const key = KeyObject.from(keys.privateKey).export({ type: 'pkcs8', format: 'pem' })
  return { certificate: `${certificate.toString('pem')}\n`, key }
}
