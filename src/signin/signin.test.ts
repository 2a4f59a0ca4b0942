import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { request as httpRequest } from 'node:http'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createRemoteJWKSet, decodeJwt, jwtVerify, SignJWT } from 'jose'
import { openIssuer } from '../auth/issuer.ts'
import { ownHosts } from '../auth/own-hosts.ts'
import { createPrincipals, type PrincipalSettings } from '../auth/principals.ts'
import { createSystemClock } from '../base/clock.ts'
import { createLog } from '../base/log.ts'
import { listen } from '../http/http.ts'
import { closeAfter } from '../testing/close-after.ts'
import { temporaryDirectory } from '../testing/temporary-directory.ts'
import { createSignInDoor } from './signin.ts'

const tenantId = '00000000-0000-0000-0000-000000000000'
const ada = {
  name: 'ada',
  clientId: 'a0000000-0000-4000-8000-000000000000',
  objectId: 'a1111111-0000-4000-8000-000000000000',
  clientSecret: 'pässword: with + and %',
  certificate: undefined,
  administrator: false,
}
const good = {
  grant_type: 'client_credentials',
  client_id: ada.clientId,
  client_secret: ada.clientSecret,
  scope: 'https://eventgrid.azure.net/.default',
}

async function start(
  t: TestContext,
  publicUrl?: string,
  principal: PrincipalSettings = ada,
  isOwnHost = ownHosts([]),
) {
  const clock = createSystemClock()
  const issuer = await openIssuer({ keyFile: join(await temporaryDirectory(t), 'key'), clock })
  const door = createSignInDoor({
    issuer,
    principals: createPrincipals([principal]),
    tenantId,
    publicUrl: () => publicUrl ?? listener.url,
    isOwnHost,
    clock,
  })
  const listener = await listen({ host: '127.0.0.1', port: 0, doors: [door], log: createLog('silent') })
  closeAfter(t, () => listener.close(0))
  const get = async (path: string) => {
    const response = await fetch(listener.url + path)
    return { status: response.status, body: (await response.json()) as Answer }
  }
  const ask = async (
    form: Readonly<Record<string, string>>,
    { path = `/${tenantId}/oauth2/v2.0/token`, headers = {} } = {},
  ) => {
    const response = await fetch(listener.url + path, {
      method: 'POST',
      body: new URLSearchParams(form),
      headers,
    })
    return { status: response.status, headers: response.headers, body: (await response.json()) as Answer }
  }
  return { url: listener.url, port: listener.port, get, ask }
}

// oxlint-disable-next-line typescript/no-explicit-any -- a test reads what the wire says, and asserts it
type Answer = Readonly<Record<string, any>>

const without = (...names: readonly string[]) =>
  Object.fromEntries(Object.entries(good).filter(([name]) => !names.includes(name)))

test('a token is found, asked for and verified by following the discovery document alone', async (t) => {
  const { url, get } = await start(t)
  const { body: document } = await get(`/${tenantId}/v2.0/.well-known/openid-configuration`)
  assert.equal(document.issuer, `${url}/${tenantId}/v2.0`)
  const response = await fetch(document.token_endpoint, { method: 'POST', body: new URLSearchParams(good) })
  const answer = (await response.json()) as Answer
  assert.deepEqual([answer.token_type, answer.expires_in, answer.ext_expires_in], ['Bearer', 3599, 3599])
  assert.equal(response.headers.get('cache-control'), 'no-store')
  const keys = createRemoteJWKSet(new URL(document.jwks_uri))
  const { payload } = await jwtVerify(answer.access_token, keys, {
    issuer: document.issuer,
    audience: 'https://eventgrid.azure.net',
  })
  assert.deepEqual([payload.oid, payload.tid, payload.azp], [ada.objectId, tenantId, ada.clientId])
})

test('the first version of the endpoints answers in texts, for a resource', async (t) => {
  const { url, get, ask } = await start(t)
  const { body: document } = await get(`/${tenantId}/.well-known/openid-configuration`)
  assert.equal(document.issuer, `${url}/${tenantId}/`)
  const { body } = await ask(
    { ...without('scope'), resource: 'https://eventgrid.azure.net/' },
    { path: new URL(document.token_endpoint).pathname },
  )
  assert.equal(body.expires_in, '3599')
  assert.equal(body.resource, 'https://eventgrid.azure.net/')
  const { ver, aud, exp } = decodeJwt(body.access_token)
  assert.deepEqual([ver, aud], ['1.0', 'https://eventgrid.azure.net/'])
  assert.equal(body.expires_on, String(exp))
})

test('the tenant is known by its id, its domain and as adfs, and a path in any letter case', async (t) => {
  const { ask, get } = await start(t)
  for (const tenant of [tenantId, 'busbar.localhost', 'adfs', 'ADFS'])
    for (const path of [
      `/${tenant}/oauth2/v2.0/token`,
      `/${tenant}/oauth2/token`,
      `//${tenant}/OAuth2/Token/`,
    ]) {
      const { status, body } = await ask(good, { path })
      assert.equal(status, 200, path)
      assert.equal(decodeJwt(body.access_token).tid, tenantId)
    }
  assert.equal((await get('/adfs/.well-known/openid-configuration')).status, 200)
  const { body } = await get('/common/discovery/instance?api-version=1.1&authorization_endpoint=x')
  assert.match(body.tenant_discovery_endpoint, /v2\.0\/\.well-known\/openid-configuration$/)
  assert.match(body.metadata[0].aliases[0], /^127\.0\.0\.1:\d+$/)
})

test('the cloud describes itself in the shape of the version that is asked for', async (t) => {
  const { url, get } = await start(t)
  const ask = async (version: string) => (await get(`//metadata/endpoints?api-version=${version}`)).body
  for (const version of ['1.0', '2015-01-01', '2018-01-01', '2019-04-30']) {
    const { authentication } = await ask(version)
    assert.equal(authentication.loginEndpoint, `${url}/adfs`, version)
    assert.ok(authentication.audiences.includes('https://management.core.windows.net/'))
  }
  for (const version of ['2019-05-01', '2020-06-01-preview', '2022-08-31']) {
    const [cloud, ...others] = (await ask(version)) as unknown as readonly Answer[]
    assert.deepEqual([cloud?.authentication.loginEndpoint, others], [`${url}/adfs`, []], version)
    assert.equal(cloud?.resourceManager, `${url}/`)
  }
  for (const version of ['2022-09-01', '2023-11-01']) {
    const cloud = await ask(version)
    assert.equal(cloud.authentication.loginEndpoint, url, version)
    assert.ok(
      cloud.name && cloud.resourceManager && cloud.microsoftGraphResourceId,
      'what Terraform insists on',
    )
  }
  for (const [query, code] of [
    ['', 'MissingApiVersionParameter'],
    ['?api-version=', 'MissingApiVersionParameter'],
    ['?api-version=latest', 'InvalidApiVersionParameter'],
  ] as const) {
    const { status, body } = await get(`/metadata/endpoints${query}`)
    assert.deepEqual([status, body.error.code], [400, code])
  }
})

test('client and secret may come as basic authorization', async (t) => {
  const { ask } = await start(t)
  const basic = (secret: string) => {
    const text = [ada.clientId, secret].map(encodeURIComponent).join(':')
    return { headers: { authorization: `Basic ${Buffer.from(text).toString('base64')}` } }
  }
  assert.equal((await ask(without('client_id', 'client_secret'), basic(ada.clientSecret))).status, 200)
  const wrong = await ask(without('client_id', 'client_secret'), basic('wrong'))
  assert.deepEqual([wrong.status, wrong.body.error], [401, 'invalid_client'])
})

test('the audience is the scope less its ending', async (t) => {
  const { ask } = await start(t)
  for (const [scope, audience] of [
    ['https://management.core.windows.net//.default', 'https://management.core.windows.net/'],
    ['api://orders/.default openid profile offline_access', 'api://orders'],
    ['7a2f1c0e-5b3d-4e8a-9c6f-0d1e2f3a4b5c/.default', '7a2f1c0e-5b3d-4e8a-9c6f-0d1e2f3a4b5c'],
  ] as const)
    assert.equal(decodeJwt((await ask({ ...good, scope })).body.access_token).aud, audience)
})

const jwtBearer = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

test('a client signs in with an assertion that its certificate’s key has signed, and with no other', async (t) => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const { privateKey: other } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const now = Math.floor(Date.now() / 1000)
  const certificate = { publicKey, validFrom: 0, validUntil: (now + 600) * 1000 }
  const { url, ask } = await start(t, undefined, { ...ada, clientSecret: undefined, certificate })
  const claims = {
    iss: ada.clientId,
    sub: ada.clientId,
    aud: `${url}/${tenantId}/oauth2/v2.0/token`,
    nbf: now,
    exp: now + 600,
  }
  const sign = (changes: Record<string, unknown> = {}, key = privateKey, alg = 'PS256') =>
    new SignJWT({ ...claims, ...changes }).setProtectedHeader({ alg }).sign(key)
  const askWith = (assertion: string) =>
    ask({
      ...without('client_secret'),
      client_assertion: assertion,
      client_assertion_type: jwtBearer,
    })
  for (const assertion of [await sign(), await sign({}, privateKey, 'RS256')])
    assert.equal((await askWith(assertion)).status, 200)
  for (const [assertion, number] of [
    [await sign({}, other), 700027],
    [await sign({ exp: now - 301 }), 700024],
    // A busy machine may take some seconds from here to the server's look at its clock.
    [await sign({ nbf: now + 330 }), 700024],
    [await sign({ aud: 'https://login.microsoftonline.com/common/oauth2/v2.0/token' }), 50027],
    [await sign({ iss: ada.objectId }), 50027],
    [await sign({ sub: ada.objectId }), 50027],
    [await sign({ exp: undefined }), 50027],
    [await sign({}, privateKey, 'RS384'), 50027],
    [`${Buffer.from('{"alg":"none"}').toString('base64url')}.e30.`, 50027],
  ] as const) {
    const { status, body } = await askWith(assertion)
    assert.deepEqual(
      [status, body.error, body.error_codes],
      [401, 'invalid_client', [number]],
      body.error_description,
    )
  }
  assert.deepEqual((await ask(good)).body.error_codes, [7000215], 'it has no secret')
  certificate.validUntil = now * 1000 - 1
  assert.deepEqual((await askWith(await sign())).body.error_codes, [700027], 'the certificate has expired')
})

test('an assertion for another server is no good here, whatever host the request claims', async (t) => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const now = Math.floor(Date.now() / 1000)
  const certificate = { publicKey, validFrom: 0, validUntil: (now + 600) * 1000 }
  const principal = { ...ada, clientSecret: undefined, certificate }
  const { port } = await start(t, 'https://events.example.org', principal, ownHosts(['*.alias.example.org']))
  const askAs = async (host: string, audience = `http://${host}`) => {
    const client_assertion = await new SignJWT({
      iss: ada.clientId,
      sub: ada.clientId,
      aud: `${audience}/${tenantId}/oauth2/v2.0/token`,
      exp: now + 600,
    })
      .setProtectedHeader({ alg: 'RS256' })
      .sign(privateKey)
    const form = { ...without('client_secret'), client_assertion, client_assertion_type: jwtBearer }
    return new Promise<number | undefined>((resolve, reject) => {
      const path = `/${tenantId}/oauth2/v2.0/token`
      httpRequest({ port, host: '127.0.0.1', path, method: 'POST', headers: { host } }, (response) => {
        response.resume()
        resolve(response.statusCode)
      })
        .once('error', reject)
        .end(new URLSearchParams(form).toString())
    })
  }
  assert.equal(await askAs('login.microsoftonline.com'), 401)
  assert.equal(await askAs('other.example.org'), 401)
  for (const host of [`localhost:${port}`, '[::1]:1', 'an.alias.example.org'])
    assert.equal(await askAs(host), 200, host)
  for (const host of ['events.example.org', `localhost:${port}`, 'other.example.org'])
    assert.equal(await askAs(host, 'https://events.example.org'), 200, 'the public URL always is a name')
})

test('an error carries the id that the client gave its request', async (t) => {
  const { ask } = await start(t)
  const id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301'
  const path = `/${tenantId}/oauth2/v2.0/token?client-request-id=${id}`
  assert.equal((await ask({}, { path })).body.correlation_id, id)
  assert.equal((await ask({}, { headers: { 'client-request-id': id } })).body.correlation_id, id)
  assert.notEqual((await ask({}, { headers: { 'client-request-id': 'x' } })).body.correlation_id, 'x')
})

const refusals: Readonly<Record<string, readonly [Record<string, string>, number, string, number]>> = {
  'a wrong secret': [{ ...good, client_secret: 'wrong' }, 401, 'invalid_client', 7000215],
  'a secret with one character more': [
    { ...good, client_secret: `${ada.clientSecret}x` },
    401,
    'invalid_client',
    7000215,
  ],
  'an empty secret': [{ ...good, client_secret: '' }, 401, 'invalid_client', 7000216],
  'no secret': [without('client_secret'), 401, 'invalid_client', 7000216],
  'an assertion of no known kind': [
    { ...without('client_secret'), client_assertion: 'x' },
    401,
    'invalid_client',
    50027,
  ],
  'the assertion of a client without a certificate': [
    { ...without('client_secret'), client_assertion: 'a.b.c', client_assertion_type: jwtBearer },
    401,
    'invalid_client',
    700027,
  ],
  'an unknown client': [{ ...good, client_id: ada.objectId }, 400, 'unauthorized_client', 700016],
  'no client': [without('client_id'), 400, 'invalid_request', 900144],
  'no grant type': [without('grant_type'), 400, 'invalid_request', 900144],
  'the password grant': [{ ...good, grant_type: 'password' }, 400, 'unsupported_grant_type', 70003],
  'no scope': [without('scope'), 400, 'invalid_request', 900144],
  'a scope without its ending': [{ ...good, scope: 'api://orders' }, 400, 'invalid_scope', 1002012],
  'two scopes': [{ ...good, scope: 'api://a/.default api://b/.default' }, 400, 'invalid_scope', 1002012],
  'a scope of nothing': [{ ...good, scope: '/.default' }, 400, 'invalid_scope', 1002012],
  'a scope that is too long': [
    { ...good, scope: `${'x'.repeat(501)}/.default` },
    400,
    'invalid_scope',
    1002012,
  ],
}

for (const [what, [form, status, error, number]] of Object.entries(refusals))
  test(`${what} is refused as AADSTS${number}`, async (t) => {
    const { ask } = await start(t)
    const answer = await ask(form)
    assert.equal(answer.status, status, JSON.stringify(answer.body))
    const { body } = answer
    assert.equal(body.error, error)
    assert.deepEqual(body.error_codes, [number])
    assert.match(body.error_description, new RegExp(`^AADSTS${number}: .*Trace ID: ${body.trace_id} `))
    assert.match(body.timestamp, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ$/)
    assert.match(body.correlation_id, /^[0-9a-f-]{36}$/)
    assert.doesNotMatch(JSON.stringify(body), /pässword/)
  })

test('no tokens are issued in a tenant that is not known, though its documents are there for receivers', async (t) => {
  const { ask, get } = await start(t)
  const other = '11111111-2222-4333-8444-555555555555'
  for (const tenant of [other, 'contoso.example', 'common', 'organizations']) {
    const { status, body } = await ask(good, { path: `/${tenant}/oauth2/v2.0/token` })
    assert.deepEqual([status, body.error_codes], [400, [90002]], tenant)
  }
  const { body } = await get(`/${other}/v2.0/.well-known/openid-configuration`)
  assert.match(body.issuer, new RegExp(`/${other}/v2.0$`))
  assert.equal((await get(`/${other}/discovery/v2.0/keys`)).body.keys.length, 1)
  assert.equal((await get('/contoso.example/v2.0/.well-known/openid-configuration')).status, 200)
  for (const tenant of ['common', 'a%2Fb', 'x'.repeat(101)])
    assert.equal((await get(`/${tenant}/v2.0/.well-known/openid-configuration`)).status, 400, tenant)
})

test('signing in with a browser or a device code says that it is not supported', async (t) => {
  const { get, ask } = await start(t)
  assert.match((await get(`/${tenantId}/oauth2/v2.0/authorize`)).body.error_description, /not supported/)
  const { status, body } = await ask({}, { path: `/${tenantId}/oauth2/v2.0/devicecode` })
  assert.equal(status, 400)
  assert.match(body.error_description, /device code is not supported/)
})

test('a body that is too long, and a verb that means nothing, are refused', async (t) => {
  const { url, ask } = await start(t)
  const { status, body } = await ask({ ...good, claims: 'x'.repeat(65_536) })
  assert.deepEqual([status, body.error], [413, 'invalid_request'])
  const response = await fetch(`${url}/${tenantId}/oauth2/v2.0/token`)
  assert.deepEqual([response.status, response.headers.get('allow')], [405, 'POST'])
  assert.equal((await fetch(`${url}/${tenantId}/oauth2/v3.0/token`, { method: 'POST' })).status, 404)
})

test('issuer and endpoints are where the client looked for them, and the public URL where that is its host', async (t) => {
  const { port } = await start(t, 'https://events.example.org')
  const issuerFor = (host: string) =>
    new Promise<string>((resolve, reject) => {
      const path = `/${tenantId}/v2.0/.well-known/openid-configuration`
      const request = httpRequest({ port, host: '127.0.0.1', path, headers: { host } }, (response) => {
        let text = ''
        response.on('data', (chunk) => (text += String(chunk)))
        response.on('end', () => resolve((JSON.parse(text) as Answer).issuer as string))
      })
      request.on('error', reject)
      request.end()
    })
  assert.equal(await issuerFor(`localhost:${port}`), `http://localhost:${port}/${tenantId}/v2.0`)
  assert.equal(await issuerFor('events.example.org'), `https://events.example.org/${tenantId}/v2.0`)
})
