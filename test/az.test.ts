import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { accessSync, constants, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { after, test } from 'node:test'
import { promisify } from 'node:util'
import { defaultSubscriptionId } from '../src/arm/arm.ts'
import { issueTestCertificate } from '../src/testing/client-certificates.ts'
import { iotHubs } from '../src/testing/iot-hubs.ts'
import { temporaryDirectory } from '../src/testing/temporary-directory.ts'
import { startTestServer, type TestServer } from '../src/testing/test-server.ts'

/*
 * Azure's own command line, as Debian packages it (2.45.0), against a server that knows of no internet: it registers
 * the server as a cloud, signs in there, and manages. Nothing of it is changed.
 */

const az = (process.env.PATH ?? '')
  .split(delimiter)
  .map((directory) => join(directory, 'az'))
  .find((file) => {
    try {
      accessSync(file, constants.X_OK)
      return true
    } catch {
      return false
    }
  })
const skip = az === undefined && 'az is not installed: apt-get install -y --no-install-recommends azure-cli'

/** Each call starts a Python of its own, which takes seconds on a busy machine. */
const options = { skip, timeout: 300_000 }

const manager = {
  name: 'manager',
  clientId: '5d0c3f5e-8c0b-4d55-9f5c-6a1b2c3d4e5f',
  clientSecret: 'a-secret-of-the-manager',
  administrator: true,
}
const administratorKey = 'a-key-of-an-administrator'

/** az with a home of its own, in which the server is the cloud. */
async function prepare(server: TestServer) {
  const home = await temporaryDirectory({ after })
  const ca = join(home, 'ca.pem')
  writeFileSync(ca, server.ca)
  const env: Record<string, string | undefined> = {
    PATH: process.env.PATH,
    HOME: home,
    AZURE_CONFIG_DIR: join(home, 'azure'),
    AZURE_CORE_COLLECT_TELEMETRY: 'no',
    REQUESTS_CA_BUNDLE: ca,
    // What would go elsewhere goes nowhere.
    HTTPS_PROXY: 'http://127.0.0.1:9',
    NO_PROXY: '127.0.0.1,localhost',
  }
  const run = async (...args: readonly string[]) => {
    const { stdout } = await promisify(execFile)(az as string, [...args, '-o', 'json'], { env })
    return stdout.trim() === '' ? undefined : JSON.parse(stdout)
  }

  await run('cloud', 'register', '-n', 'Busbar', '--endpoint-resource-manager', server.https)
  await run('cloud', 'set', '-n', 'Busbar')
  return { run, home, env }
}

test('az registers Busbar as a cloud, signs in and manages, offline and as it is', options, async () => {
  const server = await startTestServer(
    { after },
    {
      administratorKey,
      file: { auth: { administrators: [{ name: 'ada', key: administratorKey }], principals: [manager] } },
    },
  )
  const { run, home } = await prepare(server)
  const [account] = await run(
    'login',
    '--service-principal',
    '-u',
    manager.clientId,
    '-p',
    manager.clientSecret,
    '--tenant',
    defaultSubscriptionId,
  )
  assert.equal(account.id, defaultSubscriptionId)

  const group = await run('group', 'create', '-n', 'by-az', '-l', 'westus2')
  assert.equal(group.properties.provisioningState, 'Succeeded')
  const type = 'Microsoft.EventGrid/topics'
  const inGroup = ['-g', 'by-az', '-n', 'parcels']
  const made = await run(
    'resource',
    'create',
    ...inGroup,
    '--resource-type',
    type,
    '--properties',
    JSON.stringify({ inputSchema: 'CloudEventSchemaV1_0' }),
  )
  assert.equal(made.properties.inputSchema, 'CloudEventSchemaV1_0')
  assert.equal(made.location, 'westus2', 'that of the group')

  const keys = await run('eventgrid', 'topic', 'key', 'list', ...inGroup)
  assert.match(keys.key1, /^[A-Za-z0-9+/]{43}=$/)
  const asked = await run(
    'resource',
    'invoke-action',
    ...inGroup,
    '--resource-type',
    type,
    '--action',
    'listKeys',
  )
  assert.deepEqual(typeof asked === 'string' ? JSON.parse(asked) : asked, keys)
  const listed = await run('resource', 'list', '-g', 'by-az')
  assert.deepEqual(
    listed.map(({ name }: { name: string }) => name),
    ['parcels'],
  )
  const read = await run(
    'rest',
    '--method',
    'get',
    '--url',
    `${server.https}${made.id}?api-version=2025-02-15`,
  )
  assert.equal(read.systemData.createdBy, manager.name)

  const file = join(home, 'main.json')
  writeFileSync(
    file,
    `{
      // as az sends it: the text of the file as it is
      "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
      "contentVersion": "1.0.0.0",
      "parameters": { "name": { "type": "string" } },
      "resources": [
        {
          "type": "Microsoft.EventGrid/topics",
          "apiVersion": "2022-06-15",
          "name": "[parameters('name')]",
          "location": "[resourceGroup().location]",
          "properties": {} /* nothing special */
        }
      ],
      "outputs": { "endpoint": { "type": "string", "value": "[reference(parameters('name')).endpoint]" } }
    }`,
  )
  const template = ['--template-file', file, '--parameters', 'name=deployed']
  const deployment = (...args: readonly string[]) => run('deployment', 'group', ...args, '-g', 'by-az')
  const wouldBe = await deployment('what-if', ...template, '--no-pretty-print')
  assert.deepEqual(
    wouldBe.changes.map(({ changeType }: { changeType: string }) => changeType),
    ['Create', 'Ignore'],
  )
  const deployed = await deployment('create', ...template, '-n', 'first')
  assert.equal(deployed.properties.provisioningState, 'Succeeded')
  assert.match(deployed.properties.outputs.endpoint.value, /\/topics\/westus2\/deployed\//)
  const operations = await run('deployment', 'operation', 'group', 'list', '-g', 'by-az', '-n', 'first')
  assert.equal(operations[0].properties.targetResource.resourceName, 'deployed')
  const history = await deployment('list')
  assert.deepEqual(
    history.map(({ name }: { name: string }) => name),
    ['first'],
  )
  const exported = await deployment('export', '-n', 'first')
  assert.equal(exported.resources[0].name, "[parameters('name')]")
  await deployment('delete', '-n', 'first')

  await run('group', 'delete', '-n', 'by-az', '--yes')
  assert.equal(await run('group', 'exists', '-n', 'by-az'), false)
})

test(
  'az signs in as a principal that was made here, and as the managed identity of this machine',
  options,
  async () => {
    const second = { ...manager, name: 'machine', clientId: '5d0c3f5e-8c0b-4d55-9f5c-6a1b2c3d4e60' }
    const server = await startTestServer(
      { after },
      {
        administratorKey,
        file: {
          auth: {
            administrators: [{ name: 'ada', key: administratorKey }],
            principals: [second],
            managedIdentity: { principal: 'machine' },
          },
        },
      },
    )
    const response = await fetch(`${server.http}/principals`, {
      method: 'POST',
      headers: { authorization: `Bearer ${administratorKey}` },
      body: JSON.stringify({ name: 'reader' }),
    })
    const made = (await response.json()) as Record<'clientId' | 'clientSecret' | 'objectId', string>
    await server.call(
      'PUT',
      '/providers/Microsoft.Authorization/roleAssignments/2c1d7a90-8f4e-4b6a-a5d3-1e2f3a4b5c6d',
      {
        properties: {
          roleDefinitionId: `/subscriptions/${defaultSubscriptionId}/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7`,
          principalId: made.objectId,
        },
      },
    )
    const { run, env } = await prepare(server)
    const [account] = await run(
      ...['login', '--service-principal', '-u', made.clientId, '-p', made.clientSecret],
      ...['--tenant', defaultSubscriptionId],
    )
    assert.equal(account.id, defaultSubscriptionId)
    const group = ['-g', 'rg', '-n', 'orders', '--resource-type', 'Microsoft.EventGrid/topics']
    assert.equal((await run('resource', 'show', ...group)).name, 'orders')
    await assert.rejects(
      run('group', 'create', '-n', 'by-reader', '-l', 'westus2'),
      /\(AuthorizationFailed\) The client '.*' with object id '.*' does not have authorization to perform action 'Microsoft\.Resources\/subscriptions\/resourceGroups\/write'/,
    )
    env.MSI_ENDPOINT = `${server.http}/msi/token`
    const [machine] = await run('login', '--identity')
    assert.equal(machine.user.assignedIdentityInfo, 'MSI')
    assert.equal((await run('group', 'create', '-n', 'by-machine', '-l', 'westus2')).name, 'by-machine')
  },
)

test(
  'az uploads the CA certificate of an IoT hub, proves that its key is at hand, and deletes it',
  options,
  async (t) => {
    const server = await startTestServer(t, {
      administratorKey,
      file: { auth: { administrators: [{ name: 'ada', key: administratorKey }], principals: [manager] } },
    })
    await iotHubs(server).createHub('contoso')
    const { run, home } = await prepare(server)
    await run(
      ...['login', '--service-principal', '-u', manager.clientId, '-p', manager.clientSecret],
      ...['--tenant', defaultSubscriptionId],
    )
    const root = await issueTestCertificate({ subject: 'CN=Contoso root', authority: true })
    const file = join(home, 'root.pem')
    writeFileSync(file, root.cert)
    const certificate = (action: string, ...args: readonly string[]) =>
      run(...['iot', 'hub', 'certificate', action, '--hub-name', 'contoso', '-g', 'rg'], ...args)
    const made = await certificate('create', '--name', 'root', '--path', file)
    assert.equal(made.properties.isVerified, false)
    const coded = await certificate('generate-verification-code', '--name', 'root', '--etag', made.etag)
    const subject = `CN=${coded.properties.verificationCode}`
    const proof = join(home, 'proof.pem')
    writeFileSync(proof, (await issueTestCertificate({ subject, by: root })).cert)
    const proved = ['--name', 'root', '--path', proof, '--etag', coded.etag]
    const verified = await certificate('verify', ...proved)
    assert.equal(verified.properties.isVerified, true)
    await certificate('delete', '--name', 'root', '--etag', verified.etag)
    assert.deepEqual((await certificate('list')).value, [])
  },
)

test('az makes an IoT hub and all that belongs to it, and asks how it does', {
  skip,
  timeout: 600_000,
}, async (t) => {
  const server = await startTestServer(t, {
    administratorKey,
    file: { auth: { administrators: [{ name: 'ada', key: administratorKey }], principals: [manager] } },
  })
  const { run } = await prepare(server)
  await run(
    ...['login', '--service-principal', '-u', manager.clientId, '-p', manager.clientSecret],
    ...['--tenant', defaultSubscriptionId],
  )
  /** Of the hub: az says which in either way, by the command. */
  const hub = (words: string, ...args: readonly string[]) =>
    run('iot', 'hub', ...words.split(' '), ...['-n', 'contoso', '-g', 'rg'], ...args)
  const part = (words: string, ...args: readonly string[]) =>
    run('iot', 'hub', ...words.split(' '), ...['--hub-name', 'contoso', '-g', 'rg'], ...args)
  const names = (listed: readonly { readonly name: string }[]) => listed.map(({ name }) => name)

  const made = await hub('create', '--sku', 'S1', '--partition-count', '2')
  assert.equal(made.properties.hostName, 'contoso.azure-devices.net')
  assert.equal((await hub('update', '--set', 'tags.a=b')).tags.a, 'b')
  assert.deepEqual((await hub('show')).tags, { a: 'b' })
  assert.deepEqual(names(await run('iot', 'hub', 'list')), ['contoso'])
  assert.match(
    (await hub('show-connection-string')).connectionString,
    /^HostName=contoso\.azure-devices\.net;/,
  )
  assert.equal((await hub('show-stats')).totalDeviceCount, 0)
  assert.deepEqual(names(await hub('show-quota-metrics')), ['TotalMessages', 'TotalDeviceCount'])
  assert.equal((await hub('list-skus')).length, 7)

  await part('policy create', '-n', 'mine', '--permissions', 'RegistryRead', 'ServiceConnect')
  const before = await part('policy show', '-n', 'mine')
  assert.equal(before.rights, 'RegistryRead, ServiceConnect')
  const swapped = await part('policy renew-key', '-n', 'mine', '--renew-key', 'swap')
  assert.equal(swapped.primaryKey, before.secondaryKey)
  await part('policy delete', '-n', 'mine')
  assert.equal((await part('policy list')).length, 5)

  await part('consumer-group create', '-n', 'analytics')
  assert.deepEqual(names(await part('consumer-group list')), ['$Default', 'analytics'])
  await part('consumer-group delete', '-n', 'analytics')

  const target =
    'Endpoint=sb://ns.servicebus.windows.net;SharedAccessKeyName=k;SharedAccessKey=YQ==;EntityPath=h'
  await part(
    ...(['routing-endpoint create', '-n', 'other', '-t', 'eventhub', '-c', target] as const),
    ...['-r', 'rg', '-s', defaultSubscriptionId],
  )
  assert.deepEqual(names((await part('routing-endpoint list')).eventHubs), ['other'])
  const route = ['-n', 'hot', '--source-type', 'DeviceMessages', '--en', 'other', '--enabled', 'true']
  await part('route create', ...route, '-c', "level = 'high'")
  const tested = await part('route test', '--source-type', 'DeviceMessages', '--ap', '{"level":"high"}')
  assert.equal(tested.routes[0].properties.name, 'hot')
  const one = await part('route test', '-n', 'hot', '--ap', '{"level":"low"}')
  assert.equal(one.result, 'false')
  const enrichment = ['--key', 'region', '--value', 'west', '--endpoints', 'other']
  await hub('message-enrichment create', ...enrichment)
  assert.equal((await hub('message-enrichment list'))[0].value, 'west')
  await hub('message-enrichment delete', '--key', 'region')
  assert.deepEqual(await part('route delete', '-n', 'hot'), [])
  assert.deepEqual((await part('routing-endpoint delete', '-n', 'other')).eventHubs, [])
  await hub('delete')
  assert.deepEqual(await run('iot', 'hub', 'list'), [])
})
