import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { subscription } from '../src/testing/control-plane.ts'
import { startRecordingWebhook } from '../src/testing/recording-webhook.ts'
import { temporaryDirectory } from '../src/testing/temporary-directory.ts'
import { runBusbar, startBusbar } from './busbar-process.ts'

/*
 * A deployment template as Busbar's configuration: applied at the start, or to a server that runs.
 *
 * Source: learn.microsoft.com/azure/azure-resource-manager/templates/syntax
 */

type Part = Readonly<Record<string, unknown>>

const schema = 'https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#'
const topic = (name: string, more: Part = {}) => ({
  type: 'Microsoft.EventGrid/topics',
  apiVersion: '2025-02-15',
  name,
  location: '[resourceGroup().location]',
  properties: {},
  ...more,
})
const hook = {
  type: 'Microsoft.EventGrid/topics/eventSubscriptions',
  apiVersion: '2025-02-15',
  name: 'orders/hook',
  dependsOn: ["[resourceId('Microsoft.EventGrid/topics', 'orders')]"],
  properties: {
    destination: { endpointType: 'WebHook', properties: { endpointUrl: "[parameters('endpoint')]" } },
  },
}
const template = (resources: readonly Part[], more: Part = {}) => ({
  $schema: schema,
  contentVersion: '1.0.0.0',
  parameters: { endpoint: { type: 'securestring', defaultValue: 'https://example.org/' } },
  resources,
  ...more,
})

/** A directory in which files are written and busbar is run. */
async function makeDirectory(t: TestContext) {
  const cwd = await temporaryDirectory(t)
  const write = (name: string, content: unknown) =>
    writeFileSync(join(cwd, name), typeof content === 'string' ? content : JSON.stringify(content))
  const busbar = async (...args: readonly string[]) => {
    const child = runBusbar(t, args, { cwd })
    child.write('')
    return child.ended
  }
  return { cwd, write, busbar }
}

const onAnyPort = ['--http-port', '0', '--https-port', '0']
const resourcesAt = async (http: string, group = 'default') => {
  const path = `${subscription}/resourceGroups/${group}/resources?api-version=2021-04-01`
  const { value } = (await (await fetch(http + path)).json()) as { value: { name: string }[] }
  return value.map(({ name }) => name)
}

test('a server that is started with a template has its resources when it is ready, again and again', async (t) => {
  const { cwd, write } = await makeDirectory(t)
  const webhook = await startRecordingWebhook(t)
  write('main.json', `// what this server has\n${JSON.stringify(template([topic('orders'), hook]))}`)
  write('params.json', {
    $schema: 'https://schema.management.azure.com/schemas/2019-04-01/deploymentParameters.json#',
    contentVersion: '1.0.0.0',
    parameters: { endpoint: { value: webhook.url } },
  })
  const flags = ['--template', 'main.json', '--parameters', 'params.json']
  const first = await startBusbar(t, cwd, flags)
  assert.deepEqual(await resourcesAt(first.http), ['orders'])
  assert.equal(webhook.handshakes.length, 1)
  const sent = await runBusbar(
    t,
    ['publish', '--topic', 'orders', '--type', 't', '--subject', 's', '--data', '1'],
    {
      cwd,
    },
  ).ended
  assert.equal(sent.code, 0, sent.stderr)
  await webhook.until(1)
  first.kill('SIGTERM')
  assert.equal((await first.ended).code, 0)
  const second = await startBusbar(t, cwd, flags)
  assert.deepEqual(await resourcesAt(second.http), ['orders'])
  assert.equal(webhook.handshakes.length, 1)
})

test('the template may be named by the configuration file, and its group too', async (t) => {
  const { cwd, write } = await makeDirectory(t)
  write('main.json', template([topic('orders')]))
  write('busbar.yaml', 'template: main.json\nresourceGroup: shop\n')
  const server = await startBusbar(t, cwd)
  assert.deepEqual(await resourcesAt(server.http, 'shop'), ['orders'])
})

test('a template for the subscription makes its groups at the start', async (t) => {
  const { cwd, write } = await makeDirectory(t)
  write('main.json', {
    $schema: 'https://schema.management.azure.com/schemas/2018-05-01/subscriptionDeploymentTemplate.json#',
    contentVersion: '1.0.0.0',
    resources: [
      {
        type: 'Microsoft.Resources/resourceGroups',
        apiVersion: '2022-09-01',
        name: 'made',
        location: '[deployment().location]',
      },
    ],
  })
  const server = await startBusbar(t, cwd, ['--template', 'main.json'])
  assert.deepEqual(await resourcesAt(server.http, 'made'), [])
})

test('a template that cannot be applied stops the start with one line that names it and the resource', async (t) => {
  const { write, busbar } = await makeDirectory(t)
  const start = async (content: unknown) => {
    write('main.json', content)
    const { code, stdout, stderr } = await busbar(
      'start',
      ...onAnyPort,
      '--log-level',
      'error',
      '--template',
      'main.json',
    )
    assert.deepEqual([code, stdout], [1, ''])
    assert.match(stderr, /^busbar: [^\n]*main\.json[^\n]*\n$/)
    return stderr
  }
  assert.match(await start('{ "$schema": '), /Line 1, column/)
  assert.match(await start({ resources: [] }), /has no '\$schema'/)
  assert.match(await start(template([topic("[parameters('nowhere')]")])), /nowhere/)
  assert.match(
    await start(template([{ ...topic('n'), type: 'Microsoft.EventGrid/gadgets' }])),
    /'Microsoft\.EventGrid\/gadgets'/,
  )
  assert.match(await start(template([topic('no_such_name')])), /topics\/no_such_name': .*\(InvalidRequest\)/)
  const webhook = await startRecordingWebhook(t, [200], {
    handshake: (_request, response) => void response.writeHead(403).end(),
  })
  const refusing = template([topic('orders'), hook], {
    parameters: { endpoint: { type: 'string', defaultValue: webhook.url } },
  })
  assert.match(await start(refusing), /eventSubscriptions\/hook': .*\(Url validation\)/)
  const { code, stderr } = await busbar('start', ...onAnyPort, '--template', 'nowhere.json')
  assert.equal(code, 1)
  assert.match(stderr, /nowhere\.json cannot be read/)
  assert.match(
    (await busbar('start', '--parameters', 'p.json')).stderr,
    /--parameters is set without --template/,
  )
})

test('a start that waits for an endpoint of its template ends with the first signal', async (t) => {
  const { cwd, write } = await makeDirectory(t)
  const webhook = await startRecordingWebhook(t, [200], { handshake: () => {} })
  write('main.json', template([topic('orders'), hook]))
  write('params.json', { endpoint: { value: webhook.url } })
  const child = runBusbar(
    t,
    ['start', ...onAnyPort, '--template', 'main.json', '--parameters', 'params.json'],
    { cwd },
  )
  await webhook.when(() => webhook.handshakes.length === 1)
  child.kill('SIGTERM')
  const { code, stdout } = await child.ended
  assert.deepEqual([code, stdout], [0, ''])
})

test('busbar apply tells what it will change, does it, and the second time changes nothing', async (t) => {
  const { cwd, write, busbar } = await makeDirectory(t)
  const webhook = await startRecordingWebhook(t)
  const { http } = await startBusbar(t, cwd)
  write(
    'main.json',
    template([topic('orders', { tags: { team: "[parameters('team')]" } }), hook], {
      parameters: { endpoint: { type: 'securestring' }, team: { type: 'string' } },
      outputs: { endpoint: { type: 'string', value: "[reference('orders').endpoint]" } },
    }),
  )
  write('params.json', { endpoint: { value: webhook.url }, team: { value: 'a' } })
  const args = ['main.json', '--parameters', '@params.json', '-g', 'shop']

  const before = await busbar('apply', ...args, '--what-if')
  assert.equal(before.code, 3)
  assert.match(before.stdout, /^create +shop/m)
  assert.match(before.stderr, /there is no resource group 'shop' yet/)

  const first = await busbar('apply', ...args)
  assert.equal(first.code, 0, first.stderr)
  assert.match(first.stderr, /made resource group 'shop'/)
  assert.match(first.stderr, /1\/2 create succeeded: shop\/providers\/Microsoft\.EventGrid\/topics\/orders/)
  assert.match(first.stdout, /^create +shop\/providers\/Microsoft\.EventGrid\/topics\/orders$/m)
  assert.match(first.stdout, /^endpoint +String +https?:/m)
  assert.deepEqual(await resourcesAt(http, 'shop'), ['orders'])

  const same = await busbar('apply', ...args, '--what-if')
  assert.equal(same.code, 0, same.stdout)
  const second = await busbar('apply', ...args)
  assert.equal(second.code, 0)
  assert.match(second.stdout, /^nothing +shop\/providers\/Microsoft\.EventGrid\/topics\/orders$/m)
  assert.equal(webhook.handshakes.length, 1)

  const other = await busbar('apply', ...args, '-p', 'team=b', '--what-if', '--json')
  assert.equal(other.code, 3)
  const { changes } = JSON.parse(other.stdout) as {
    changes: { changeType: string; delta: { path: string }[] }[]
  }
  assert.deepEqual(
    changes.map(({ changeType, delta }) => [changeType, delta.map(({ path }) => path)]),
    [
      ['Modify', ['tags.team']],
      ['NoChange', []],
    ],
  )

  write('empty.json', template([]))
  const drift = await busbar('apply', 'empty.json', '-g', 'shop', '--what-if')
  assert.equal(drift.code, 0)
  const complete = await busbar('apply', 'empty.json', '-g', 'shop', '--mode', 'complete')
  assert.equal(complete.code, 0, complete.stderr)
  assert.match(complete.stdout, /^delete +shop/m)
  assert.deepEqual(await resourcesAt(http, 'shop'), [])
})

test('busbar apply fails with the reason of every resource that failed', async (t) => {
  const { cwd, write, busbar } = await makeDirectory(t)
  await startBusbar(t, cwd)
  write('main.json', template([topic('no_such_name'), topic('ok-1'), topic('neither_this')]))
  const { code, stdout, stderr } = await busbar('apply', 'main.json')
  assert.deepEqual([code, stdout], [1, ''])
  assert.match(stderr, /^busbar: The deployment failed: .*no_such_name.*; .*neither_this.*$/m)
  write('broken.json', template([topic("[nonsense('x')]")]))
  assert.match((await busbar('apply', 'broken.json')).stderr, /nonsense.*\(400 InvalidTemplate\)/)
  assert.match((await busbar('apply', 'main.bicep')).stderr, /bicep build/)
})
