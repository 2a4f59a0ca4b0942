import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { EventGridManagementClient } from '@azure/arm-eventgrid'
import { EventGridPublisherClient } from '@azure/eventgrid'
import { ClientSecretCredential } from '@azure/identity'
import { defaultSubscriptionId } from '../src/arm/arm.ts'
import { subscription } from '../src/testing/control-plane.ts'
import { temporaryDirectory } from '../src/testing/temporary-directory.ts'
import { startTestServer } from '../src/testing/test-server.ts'
import { runBusbar } from './busbar-process.ts'

/*
 * Principals that are made while the server runs: by the command line, and by whoever may over the REST route. They
 * sign in with the official client.
 */

const administratorKey = 'a-key-of-an-administrator'
const configured = {
  name: 'Configured',
  clientId: 'b0000000-0000-4000-8000-000000000000',
  clientSecret: 'the-long-secret-of-the-configured',
}
const server = await startTestServer(
  { after },
  {
    administratorKey,
    file: { auth: { administrators: [{ name: 'ada', key: administratorKey }], principals: [configured] } },
  },
)
setDefaultCACertificates([...getCACertificates(), server.ca])
const cwd = await temporaryDirectory({ after })

async function busbar(t: Parameters<typeof runBusbar>[0], ...args: readonly string[]) {
  const child = runBusbar(t, [...args, '--url', server.http, '--key', administratorKey], { cwd })
  return child.ended
}

async function ask(method: string, path: string, body?: unknown, key = administratorKey) {
  const response = await fetch(server.http + path, {
    method,
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, body: text === '' ? undefined : JSON.parse(text) }
}

interface Made {
  readonly clientId: string
  readonly objectId: string
  readonly clientSecret: string
}

const signIn = ({ clientId, clientSecret }: Made) =>
  new ClientSecretCredential(defaultSubscriptionId, clientId, clientSecret, {
    authorityHost: server.https,
    disableInstanceDiscovery: true,
  })
const manager = (made: Made) =>
  new EventGridManagementClient(signIn(made), defaultSubscriptionId, { endpoint: server.https })

test('a principal that the command line made signs in and does what its role permits, also after a restart', async (t) => {
  const { code, stdout, stderr } = await busbar(
    t,
    'principal',
    'create',
    'shop',
    '--role',
    'Contributor',
    '--json',
  )
  assert.equal(code, 0, stderr)
  const made: Made & { readonly tenantId: string } = JSON.parse(stdout)
  assert.equal(made.tenantId, defaultSubscriptionId)
  assert.ok(made.clientSecret.length >= 40)
  const topic = await manager(made).topics.beginCreateOrUpdateAndWait('rg', 'by-shop', {
    location: 'westus2',
  })
  assert.equal(topic.systemData?.createdBy, 'shop')
  const listed = await busbar(t, 'principal', 'list')
  assert.match(listed.stdout, new RegExp(`^shop +${made.clientId} +${made.objectId} +stored +20`, 'm'))
  assert.match(listed.stdout, new RegExp(`^Configured +${configured.clientId} .* configuration`, 'm'))
  assert.doesNotMatch(listed.stdout + JSON.stringify(await ask('GET', '/principals')), /[Ss]ecret/)
  await server.restart()
  assert.equal((await manager(made).topics.get('rg', 'by-shop')).name, 'by-shop')
  await assert.rejects(
    manager({ ...made, clientSecret: `${made.clientSecret}x` }).topics.get('rg', 'by-shop'),
    /7000215/,
  )
})

test('a principal that is deleted can neither sign in nor use the tokens that it has, from then on', async (t) => {
  const { stdout } = await busbar(
    t,
    'principal',
    'create',
    'short-lived',
    '--role',
    'EventGrid Data Sender',
    '--json',
  )
  const made: Made = JSON.parse(stdout)
  const topic = await server.createTopic('for-short-lived')
  const token = await signIn(made).getToken('https://eventgrid.azure.net/.default')
  const forManager = await signIn(made).getToken('https://management.azure.com/.default')
  const credential = { getToken: () => Promise.resolve(token) }
  const endpoint = topic.endpoint.replace(/^https:\/\/[^/]+/, server.https)
  const client = new EventGridPublisherClient(endpoint, 'EventGrid', credential)
  const event = { eventType: 'Order.Placed', subject: '/orders/1', dataVersion: '1.0', data: {} }
  await client.send([event])
  assert.equal(
    (await ask('GET', `/subscriptions?api-version=2022-12-01`, undefined, forManager.token)).status,
    200,
  )
  const deleted = await busbar(t, 'principal', 'delete', 'Short-Lived')
  assert.equal(deleted.stdout, 'deleted principal short-lived\n')
  await assert.rejects(client.send([event]), { statusCode: 401 })
  const asked = await ask('GET', `/subscriptions?api-version=2022-12-01`, undefined, forManager.token)
  assert.deepEqual([asked.status, asked.body.error.code], [401, 'InvalidAuthenticationToken'])
  await assert.rejects(signIn(made).getToken('https://eventgrid.azure.net/.default'), /700016/)
})

test('principals are made by those who may write them, and what is wrong is refused', async (t) => {
  const refused = async (asked: ReturnType<typeof ask>, status: number, code: string) => {
    const answer = await asked
    assert.deepEqual([answer.status, answer.body?.error?.code], [status, code], JSON.stringify(answer.body))
  }
  const reader = (await ask('POST', '/principals', { name: 'reader' })).body as Made
  const { token } = await signIn(reader).getToken('https://management.azure.com/.default')
  await refused(ask('GET', '/principals', undefined, token), 403, 'AuthorizationFailed')
  await refused(ask('POST', '/principals', { name: 'mine' }, token), 403, 'AuthorizationFailed')
  await refused(ask('DELETE', `/principals/${reader.clientId}`, undefined, token), 403, 'AuthorizationFailed')
  await refused(ask('GET', '/principals', undefined, 'nobody'), 401, 'InvalidAuthenticationToken')
  await refused(ask('POST', '/principals', { name: 'READER' }), 409, 'Conflict')
  await refused(ask('POST', '/principals', { name: 'configured' }), 409, 'Conflict')
  await refused(ask('POST', '/principals', { name: ' ' }), 400, 'InvalidRequest')
  await refused(ask('POST', '/principals', { name: 'x'.repeat(121) }), 400, 'InvalidRequest')
  await refused(ask('POST', '/principals', {}), 400, 'InvalidRequest')
  await refused(ask('POST', '/principals', []), 400, 'InvalidRequest')
  await refused(ask('PUT', '/principals', {}), 405, 'MethodNotAllowed')
  await refused(ask('DELETE', `/principals/${configured.clientId}`), 409, 'PrincipalConfigured')
  await refused(ask('DELETE', '/principals/none'), 404, 'PrincipalNotFound')
  const noRole = await busbar(t, 'principal', 'create', 'roleless', '--role', 'Emperor')
  assert.deepEqual([noRole.code, noRole.stdout], [1, ''])
  assert.match(noRole.stderr, /^busbar: There is no role 'Emperor' at .*: .*EventGrid Data Sender/)
  const nowhere = await busbar(
    t,
    'principal',
    'create',
    'roleless',
    '--role',
    'Reader',
    '--scope',
    `${subscription}/resourceGroups/none`,
  )
  assert.equal(nowhere.code, 1)
  assert.equal((await busbar(t, 'principal', 'create', 'roleless', '--scope', subscription)).code, 2)
  assert.equal((await busbar(t, 'principal', 'delete', 'roleless')).code, 1)
})
