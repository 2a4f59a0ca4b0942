import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, type TestContext, test } from 'node:test'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import {
  type DeploymentExtended,
  DeploymentsClient,
  type WhatIfChange,
} from '@azure/arm-resourcesdeployments'
import { defaultSubscriptionId } from '../src/arm/arm.ts'
import { subscription } from '../src/testing/control-plane.ts'
import { startRecordingWebhook } from '../src/testing/recording-webhook.ts'
import { startTestServer } from '../src/testing/test-server.ts'

/*
 * Template deployments, through Azure's own client over HTTPS, and with the very text that az sends.
 *
 * Source: learn.microsoft.com/rest/api/resources/deployments
 */

const server = await startTestServer({ after })
setDefaultCACertificates([...getCACertificates(), server.ca])

const credential = {
  getToken: () => Promise.resolve({ token: 'any', expiresOnTimestamp: Date.now() + 3_600_000 }),
}
const client = new DeploymentsClient(credential, defaultSubscriptionId, { endpoint: server.https })
const { deployments, deploymentOperations } = client

const groupSchema = 'https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#'
const subscriptionSchema =
  'https://schema.management.azure.com/schemas/2018-05-01/subscriptionDeploymentTemplate.json#'

type Part = Readonly<Record<string, unknown>>

const templateOf = (resources: readonly Part[], more: Part = {}) => ({
  $schema: groupSchema,
  contentVersion: '1.0.0.0',
  resources,
  ...more,
})
const topic = (name: string, more: Part = {}) => ({
  type: 'Microsoft.EventGrid/topics',
  apiVersion: '2025-02-15',
  name,
  location: '[resourceGroup().location]',
  properties: {},
  ...more,
})
const hookOn = (topicName: string, endpointUrl: string, name = 'hook', more: Part = {}) => ({
  type: 'Microsoft.EventGrid/topics/eventSubscriptions',
  apiVersion: '2025-02-15',
  name: `${topicName}/${name}`,
  dependsOn: [`[resourceId('Microsoft.EventGrid/topics', '${topicName}')]`],
  properties: { destination: { endpointType: 'WebHook', properties: { endpointUrl } } },
  ...more,
})
const body = (
  template: unknown,
  parameters: Part = {},
  mode: 'Incremental' | 'Complete' = 'Incremental',
) => ({
  properties: { mode, template: template as Record<string, unknown>, parameters: parameters as never },
})

/** A resource group of the test's own. */
async function makeGroup(t: TestContext, name: string): Promise<string> {
  await server.call('PUT', `/resourceGroups/${name}`, { location: 'westus2' })
  t.after(() => server.call('DELETE', `/resourceGroups/${name}`))
  return name
}

async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const found: Item[] = []
  for await (const item of items) found.push(item)
  return found
}

const namesIn = async (group: string) =>
  (await server.call('GET', `/resourceGroups/${group}/resources`)).body.value.map(
    ({ name }: { readonly name: string }) => name,
  )
const outputOf = ({ properties }: DeploymentExtended, name: string) =>
  (properties?.outputs as Record<string, { value: unknown }> | undefined)?.[name]?.value

test('a template makes a topic with a webhook, says what it made, and delivers', async (t) => {
  const group = await makeGroup(t, 'first')
  const hook = await startRecordingWebhook(t)
  const template = templateOf([topic("[parameters('name')]"), hookOn('orders-1', hook.url)], {
    parameters: {
      name: { type: 'string' },
      secret: { type: 'securestring', defaultValue: 'hush' },
    },
    outputs: {
      endpoint: { type: 'string', value: "[reference(parameters('name')).endpoint]" },
      key: { type: 'string', value: "[listKeys(parameters('name'), '2025-02-15').key1]" },
    },
  })
  const made = await deployments.beginCreateOrUpdateAndWait(
    group,
    'main',
    body(template, { name: { value: 'orders-1' } }),
  )
  assert.equal(made.properties?.provisioningState, 'Succeeded')
  assert.deepEqual(
    made.properties?.outputResources?.map(({ id }) => id?.split('/').at(-1)),
    ['orders-1', 'hook'],
  )
  assert.match(made.properties?.templateHash ?? '', /^\d+$/)
  assert.deepEqual(made.properties?.parameters, {
    name: { type: 'String', value: 'orders-1' },
    secret: { type: 'SecureString' },
  })
  assert.deepEqual(
    made.properties?.providers?.map(({ namespace }) => namespace),
    ['Microsoft.EventGrid'],
  )
  assert.equal(made.properties?.dependencies?.length, 1)
  const response = await fetch(server.http + new URL(outputOf(made, 'endpoint') as string).pathname, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'aeg-sas-key': outputOf(made, 'key') as string },
    body: JSON.stringify([
      {
        id: '1',
        subject: 's',
        eventType: 't',
        eventTime: '2026-01-02T03:04:05Z',
        dataVersion: '1',
        data: {},
      },
    ]),
  })
  assert.equal(response.status, 200)
  await hook.until(1)
})

test('a deployment is read, found, listed by state, exported and deleted; its operations are told', async (t) => {
  const group = await makeGroup(t, 'history')
  const template = templateOf([topic('history-1'), topic('history-2')])
  await deployments.beginCreateOrUpdateAndWait(group, 'one', body(template))
  await deployments.beginCreateOrUpdateAndWait(group, 'two', body(templateOf([])))
  assert.equal((await deployments.get(group, 'ONE')).name, 'one')
  assert.equal((await deployments.checkExistence(group, 'one')).body, true)
  assert.equal((await deployments.checkExistence(group, 'three')).body, false)
  await assert.rejects(deployments.get(group, 'three'), { statusCode: 404, code: 'DeploymentNotFound' })
  assert.deepEqual(
    (await all(deployments.listByResourceGroup(group))).map(({ name }) => name),
    ['two', 'one'],
  )
  assert.deepEqual(
    (await all(deployments.listByResourceGroup(group, { top: 1 }))).map(({ name }) => name),
    ['two', 'one'],
  )
  const failed = deployments.listByResourceGroup(group, { filter: "provisioningState eq 'Failed'" })
  assert.deepEqual(await all(failed), [])
  assert.deepEqual((await deployments.exportTemplate(group, 'one')).template, template)
  const operations = await all(deploymentOperations.list(group, 'one'))
  assert.deepEqual(
    operations
      .map(({ properties }) => [
        properties?.provisioningOperation,
        properties?.provisioningState,
        properties?.statusCode,
        properties?.targetResource?.resourceName,
      ])
      .toSorted(),
    [
      ['Create', 'Succeeded', 'Created', 'history-1'],
      ['Create', 'Succeeded', 'Created', 'history-2'],
      ['EvaluateDeploymentOutput', 'Succeeded', 'OK', undefined],
    ],
  )
  const first = await deploymentOperations.get(group, 'one', operations[0]?.operationId as string)
  assert.equal(first.operationId, operations[0]?.operationId)
  const asAz = await server.call('GET', `/resourcegroups/${group}/deployments/one/operations`)
  assert.equal(asAz.body.value.length, 3)
  await deployments.beginDeleteAndWait(group, 'one')
  assert.equal((await deployments.checkExistence(group, 'one')).body, false)
  assert.equal((await server.call('DELETE', deploymentPath(group, 'one'))).status, 204)
  assert.deepEqual(await namesIn(group), ['history-1', 'history-2'])
})

const deploymentPath = (group: string, name: string) =>
  `/resourceGroups/${group}/providers/Microsoft.Resources/deployments/${name}`

test('the text that az sends is read: a key without quotes, and a template with comments', async (t) => {
  const group = await makeGroup(t, 'az')
  const template = `{
    // the schema
    "$schema": "${groupSchema}", "contentVersion": "1.0.0.0", /* nothing
    else */ "resources": [${JSON.stringify(topic('from-az'))},],
  }`
  const text = `{"properties": {"parameters": {}, "mode": "Incremental", template:${template}}}`
  const send = (method: string, path: string) =>
    fetch(`${server.https}${subscription}${path}?api-version=2022-09-01`, {
      method,
      headers: { 'content-type': 'application/json' },
      body: text,
    })
  const validated = await send(
    'POST',
    `/resourcegroups/${group}/providers/Microsoft.Resources/deployments/d/validate`,
  )
  assert.equal(validated.status, 200)
  const answer = await send('PUT', `/resourcegroups/${group}/providers/Microsoft.Resources/deployments/d`)
  assert.equal(answer.status, 201)
  const poll = await fetch(answer.headers.get('azure-asyncoperation') as string)
  assert.deepEqual(await poll.json(), { status: 'Succeeded' })
  assert.deepEqual(await namesIn(group), ['from-az'])
})

test('validate says what a template would make, makes nothing, and names types that are not here', async (t) => {
  const group = await makeGroup(t, 'validated')
  const fine = await deployments.beginValidateAndWait(group, 'main', body(templateOf([topic('not-made')])))
  assert.deepEqual(
    fine.properties?.validatedResources?.map(({ id }) => id?.split('/').at(-1)),
    ['not-made'],
  )
  assert.deepEqual(await namesIn(group), [])
  const broken = templateOf([topic("[parameters('nowhere')]")])
  // The client knows 400 for an answer of validate, and says no more than that it failed.
  await assert.rejects(deployments.beginValidateAndWait(group, 'main', body(broken)))
  const validate = async (template: unknown) =>
    (await server.call('POST', `${deploymentPath(group, 'main')}/validate`, body(template))).body.error
  assert.equal((await validate(broken)).code, 'InvalidTemplate')
  assert.match((await validate(broken)).message, /nowhere/)
  const unknown = templateOf([
    topic('not-made'),
    {
      type: 'Microsoft.EventGrid/gadgets',
      apiVersion: '2025-02-15',
      name: 'n',
      location: 'westus2',
    },
  ])
  // Both were begun; each is refused.
  // oxlint-disable-next-line no-await-in-loop
  assert.equal((await validate(unknown)).code, 'InvalidTemplateDeployment')
  await assert.rejects(deployments.beginCreateOrUpdateAndWait(group, 'main', body(unknown)), {
    code: 'InvalidTemplateDeployment',
    message: /'Microsoft\.EventGrid\/gadgets'/,
  })
  assert.deepEqual(await namesIn(group), [])
})

test('a failed resource fails its deployment with the reason, and what depends on it is not begun', async (t) => {
  const group = await makeGroup(t, 'failing')
  const hook = await startRecordingWebhook(t, [200], {
    handshake: (_request, response) => void response.writeHead(404).end(),
  })
  const template = templateOf([
    topic('failing-1'),
    hookOn('failing-1', hook.url),
    topic('failing-2', {
      dependsOn: ["[resourceId('Microsoft.EventGrid/topics/eventSubscriptions', 'failing-1', 'hook')]"],
    }),
  ])
  await assert.rejects(
    deployments.beginCreateOrUpdateAndWait(group, 'main', body(template)),
    /DeploymentFailed/,
  )
  const { properties } = await deployments.get(group, 'main')
  assert.equal(properties?.provisioningState, 'Failed')
  const [detail] = properties?.error?.details ?? []
  assert.equal(detail?.code, 'ResourceDeploymentFailure')
  assert.match(detail?.target ?? '', /eventSubscriptions\/hook$/)
  assert.equal(detail?.details?.[0]?.code, 'Url validation')
  assert.deepEqual(await namesIn(group), ['failing-1'])
  const operations = await all(deploymentOperations.list(group, 'main'))
  const bad = operations.find((each) => each.properties?.provisioningState === 'Failed')
  assert.equal(bad?.properties?.statusMessage?.error?.code, 'ResourceOperationFailure')
  // What was refused at once says so itself.
  await assert.rejects(
    deployments.beginCreateOrUpdateAndWait(
      group,
      'refused',
      body(templateOf([topic('x', { name: 'no_such_name' })])),
    ),
  )
  const refused = await deployments.get(group, 'refused')
  assert.equal(refused.properties?.error?.details?.[0]?.code, 'InvalidRequest')
})

test('deploying the same template again changes nothing and asks no endpoint again', async (t) => {
  const group = await makeGroup(t, 'again')
  const hook = await startRecordingWebhook(t)
  const template = templateOf([topic('again-1'), hookOn('again-1', hook.url)])
  await deployments.beginCreateOrUpdateAndWait(group, 'main', body(template))
  const keys = await server.call(
    'POST',
    `/resourceGroups/${group}/providers/Microsoft.EventGrid/topics/again-1/listKeys`,
  )
  assert.equal(hook.handshakes.length, 1)
  const again = await deployments.beginCreateOrUpdateAndWait(group, 'main', body(template))
  assert.equal(again.properties?.provisioningState, 'Succeeded')
  assert.equal(hook.handshakes.length, 1)
  assert.deepEqual(
    (
      await server.call(
        'POST',
        `/resourceGroups/${group}/providers/Microsoft.EventGrid/topics/again-1/listKeys`,
      )
    ).body,
    keys.body,
  )
  const { changes } = await deployments.beginWhatIfAndWait(group, 'main', body(template))
  assert.deepEqual(
    changes?.map(({ changeType }) => changeType),
    ['NoChange', 'NoChange'],
  )
})

test('what-if tells what would be made, changed, kept and, in mode Complete, deleted', async (t) => {
  const group = await makeGroup(t, 'what-if')
  const hook = await startRecordingWebhook(t)
  await deployments.beginCreateOrUpdateAndWait(
    group,
    'main',
    body(templateOf([topic('kept'), topic('changed'), topic('omitted'), hookOn('kept', hook.url)])),
  )
  const next = templateOf([
    topic('kept'),
    topic('changed', { tags: { team: 'a' }, properties: { publicNetworkAccess: 'Disabled' } }),
    topic('fresh'),
    hookOn('kept', `${hook.url}?code=other`),
  ])
  const whatIf = async (mode: 'Incremental' | 'Complete') => {
    const { changes = [] } = await deployments.beginWhatIfAndWait(group, 'main', body(next, {}, mode))
    return Object.fromEntries(changes.map((each) => [each.resourceId?.split('/').at(-1), each])) as Record<
      string,
      WhatIfChange
    >
  }
  const changes = await whatIf('Incremental')
  assert.deepEqual(
    Object.entries(changes).map(([name, { changeType }]) => [name, changeType]),
    [
      ['kept', 'NoChange'],
      ['changed', 'Modify'],
      ['fresh', 'Create'],
      ['hook', 'Modify'],
      ['omitted', 'Ignore'],
    ],
  )
  assert.deepEqual(
    changes.changed?.delta?.map(({ path, propertyChangeType }) => [path, propertyChangeType]).toSorted(),
    [
      ['properties.publicNetworkAccess', 'Modify'],
      ['tags', 'Create'],
    ],
  )
  assert.ok(!JSON.stringify(changes).includes('code=other'))
  assert.equal((await whatIf('Complete')).omitted?.changeType, 'Delete')
  assert.deepEqual((await namesIn(group)).toSorted(), ['changed', 'kept', 'omitted'])
})

test('mode Complete deletes what the template omits, after its writes', async (t) => {
  const group = await makeGroup(t, 'complete')
  const hook = await startRecordingWebhook(t)
  const before = templateOf([topic('left'), topic('gone'), hookOn('gone', hook.url)])
  await deployments.beginCreateOrUpdateAndWait(group, 'main', body(before))
  await deployments.beginCreateOrUpdateAndWait(
    group,
    'main',
    body(templateOf([topic('left')]), {}, 'Complete'),
  )
  assert.deepEqual(await namesIn(group), ['left'])
  const operations = await all(deploymentOperations.list(group, 'main'))
  assert.ok(operations.some((each) => each.properties?.provisioningOperation === 'Delete'))
})

test('a deployment that waits for an endpoint is canceled; then it can be canceled no more', async (t) => {
  const group = await makeGroup(t, 'canceled')
  const hook = await startRecordingWebhook(t, [200], { handshake: () => {} })
  const template = templateOf([
    topic('canceled-1'),
    hookOn('canceled-1', hook.url),
    topic('canceled-2', {
      dependsOn: ["[resourceId('Microsoft.EventGrid/topics/eventSubscriptions', 'canceled-1', 'hook')]"],
    }),
  ])
  const begun = await server.call('PUT', deploymentPath(group, 'main'), body(template))
  assert.equal(begun.status, 201)
  assert.equal(begun.body.properties.provisioningState, 'Running')
  await assert.rejects(deployments.beginCreateOrUpdateAndWait(group, 'main', body(template)), {
    code: 'DeploymentActive',
  })
  await deployments.cancel(group, 'main')
  const { properties } = await deployments.get(group, 'main')
  assert.equal(properties?.provisioningState, 'Canceled')
  await assert.rejects(deployments.cancel(group, 'main'), { statusCode: 409 })
  const operations = await all(deploymentOperations.list(group, 'main'))
  assert.ok(operations.some((each) => each.properties?.provisioningState === 'Canceled'))
  assert.deepEqual(await namesIn(group), ['canceled-1'])
})

test('events tell of a deployment and of each of its resources, under one correlation id', async (t) => {
  const group = await makeGroup(t, 'told')
  const listener = await startRecordingWebhook(t)
  const scope = `${subscription}/resourceGroups/${group}`
  await server.call('PUT', `${scope}/providers/Microsoft.EventGrid/eventSubscriptions/told`, {
    properties: { destination: { endpointType: 'WebHook', properties: { endpointUrl: listener.url } } },
  })
  const told = () =>
    listener.received
      .flatMap(({ body: events }) => events as { eventType: string; data: Record<string, string> }[])
      .map(({ eventType, data }) => ({
        what: `${data.operationName} ${eventType.replace('Microsoft.Resources.Resource', '')}`,
        correlationId: data.correlationId,
        hasRequest: data.httpRequest !== undefined,
      }))
  const heard = (what: string) => listener.when(() => told().some((each) => each.what === what))

  await deployments.beginCreateOrUpdateAndWait(group, 'main', body(templateOf([topic('told-1')])))
  await heard('Microsoft.Resources/deployments/write WriteSuccess')
  await heard('Microsoft.EventGrid/topics/write WriteSuccess')
  const made = await deployments.get(group, 'main')
  const ofDeployment = told().filter(({ what }) => /(topics|deployments)\/write/.test(what))
  assert.deepEqual(
    ofDeployment.map(({ correlationId, hasRequest }) => [correlationId, hasRequest]),
    ofDeployment.map(() => [made.properties?.correlationId, false]),
  )
  await deployments.beginValidateAndWait(group, 'main', body(templateOf([])))
  await heard('Microsoft.Resources/deployments/validate/action ActionSuccess')
  const silent = await startRecordingWebhook(t, [200], { handshake: () => {} })
  const waits = body(templateOf([topic('told-1'), hookOn('told-1', silent.url)]))
  await server.call('PUT', deploymentPath(group, 'waits'), waits)
  await deployments.cancel(group, 'waits')
  await heard('Microsoft.EventGrid/eventSubscriptions/write WriteCancel')
  await heard('Microsoft.Resources/deployments/write WriteCancel')
  await heard('Microsoft.Resources/deployments/cancel/action ActionSuccess')
  const { body: canceled } = await server.call(
    'GET',
    `${scope}/providers/Microsoft.EventGrid/topics/told-1/eventSubscriptions/hook`,
  )
  assert.equal(canceled.properties.provisioningState, 'Failed')
  await deployments.beginDeleteAndWait(group, 'main')
  await heard('Microsoft.Resources/deployments/delete DeleteSuccess')
})

test('a deployment within another is canceled by itself, and the outer one fails with it', async (t) => {
  const group = await makeGroup(t, 'nesting')
  const hook = await startRecordingWebhook(t, [200], { handshake: () => {} })
  const nested = (template: unknown, more: Part = {}) =>
    templateOf([
      {
        type: 'Microsoft.Resources/deployments',
        apiVersion: '2022-09-01',
        name: 'inner',
        properties: { mode: 'Incremental', template, ...more },
      },
    ])
  const waits = templateOf([topic('nested-1'), hookOn('nested-1', hook.url)])
  const outer = assert.rejects(
    deployments.beginCreateOrUpdateAndWait(group, 'outer', body(nested(waits))),
    /DeploymentFailed/,
  )
  await hook.when(() => hook.handshakes.length === 1)
  await deployments.cancel(group, 'inner')
  assert.equal((await deployments.get(group, 'inner')).properties?.provisioningState, 'Canceled')
  await outer
  const { properties } = await deployments.get(group, 'outer')
  assert.equal(properties?.provisioningState, 'Failed')
  assert.equal(properties?.error?.details?.[0]?.code, 'DeploymentCanceled')
  await assert.rejects(
    deployments.beginCreateOrUpdateAndWait(group, 'outer', body(nested(waits, { mode: 'Complete' }))),
    { code: 'InvalidDeployment', message: /must be 'Incremental'/ },
  )
})

test('a deployment to the subscription makes groups and deploys into them', async (t) => {
  t.after(() => server.call('DELETE', '/resourceGroups/landed'))
  const hook = await startRecordingWebhook(t)
  const text = readFileSync(
    new URL('../src/templates/examples/subscription-events.json', import.meta.url),
    'utf8',
  )
  const wanted = {
    location: 'westus2',
    ...body(JSON.parse(text), { groupName: { value: 'landed' }, endpoint: { value: hook.url } }),
  }
  const made = await deployments.beginCreateOrUpdateAtSubscriptionScopeAndWait('landing', wanted)
  assert.equal(made.properties?.provisioningState, 'Succeeded')
  assert.match(String(outputOf(made, 'topicId')), /resourceGroups\/landed\/.*systemTopics\/changes$/)
  const inner = await deployments.get('landed', 'systemTopic')
  assert.equal(inner.properties?.correlationId, made.properties?.correlationId)
  assert.deepEqual(inner.properties?.parameters?.endpoint, { type: 'SecureString' })
  assert.deepEqual(
    (await all(deployments.listAtSubscriptionScope())).map(({ name }) => name),
    ['landing'],
  )
  const again = await deployments.beginWhatIfAtSubscriptionScopeAndWait('landing', wanted)
  assert.deepEqual(
    again.changes?.map(({ changeType }) => changeType),
    ['NoChange', 'NoChange', 'NoChange', 'NoChange'],
  )
  await assert.rejects(
    deployments.beginCreateOrUpdateAtSubscriptionScopeAndWait('landing', { ...wanted, location: 'eastus' }),
    { code: 'InvalidDeploymentLocation' },
  )
  await server.call('DELETE', '/providers/Microsoft.EventGrid/eventSubscriptions/direct')
  await deployments.beginDeleteAtSubscriptionScopeAndWait('landing')
})

test('a group takes its deployments along', async () => {
  await server.call('PUT', '/resourceGroups/brief', { location: 'westus2' })
  await deployments.beginCreateOrUpdateAndWait('brief', 'main', body(templateOf([topic('brief-1')])))
  await server.call('DELETE', '/resourceGroups/brief')
  await assert.rejects(deployments.get('brief', 'main'), { code: 'ResourceGroupNotFound' })
  await server.call('PUT', '/resourceGroups/brief', { location: 'westus2' })
  assert.deepEqual(await all(deployments.listByResourceGroup('brief')), [])
  await server.call('DELETE', '/resourceGroups/brief')
})

test('what a deployment may not be is refused', async (t) => {
  const group = await makeGroup(t, 'refusing')
  const put = (wanted: unknown, path = deploymentPath(group, 'main')) => server.call('PUT', path, wanted)
  const codeOf = async (answer: ReturnType<typeof put>) => {
    const { status, body: refusal } = await answer
    return `${status} ${refusal?.error?.code}`
  }
  const fine = body(templateOf([]))
  assert.equal(await codeOf(put({})), '400 InvalidRequestContent')
  assert.equal(await codeOf(put({ properties: {} })), '400 InvalidRequestContent')
  assert.equal(await codeOf(put({ ...fine, location: 'westus2' })), '400 InvalidDeployment')
  assert.equal(
    await codeOf(put({ properties: { templateLink: { uri: 'https://example.org/t.json' } } })),
    '400 InvalidContentLink',
  )
  assert.equal(
    await codeOf(put({ properties: { ...fine.properties, onErrorDeployment: { type: 'LastSuccessful' } } })),
    '400 InvalidRequest',
  )
  assert.equal(
    await codeOf(put(fine, deploymentPath(group, 'n'.repeat(65)))),
    '400 DeploymentNameLengthLimitExceeded',
  )
  assert.equal(await codeOf(put(fine, deploymentPath(group, 'a,b'))), '400 DeploymentNameInvalidCharacters')
  assert.equal(await codeOf(put(fine, deploymentPath('nowhere', 'main'))), '404 ResourceGroupNotFound')
  const atSubscription = '/providers/Microsoft.Resources/deployments/main'
  const template = templateOf([], { $schema: subscriptionSchema })
  assert.equal(await codeOf(put(body(template), atSubscription)), '400 LocationRequired')
  assert.equal(
    await codeOf(put({ location: 'westus2', ...body(template, {}, 'Complete') }, atSubscription)),
    '400 InvalidDeployment',
  )
  assert.equal(await codeOf(put(body(template))), '400 InvalidTemplate')
  for (const scope of ['', '/providers/Microsoft.Management/managementGroups/all']) {
    const path = `${scope}/providers/Microsoft.Resources/deployments/main?api-version=2022-09-01`
    // oxlint-disable-next-line no-await-in-loop
    const answer = await fetch(server.http + path, { method: 'PUT', body: JSON.stringify(fine) })
    // oxlint-disable-next-line no-await-in-loop
    assert.equal(((await answer.json()) as { error: { code: string } }).error.code, 'InvalidDeployment')
  }
})

test('the hash of a template does not depend on its white space', async () => {
  const template = templateOf([topic('hashed')])
  const one = await deployments.calculateTemplateHash(template)
  assert.equal(one.minifiedTemplate, JSON.stringify(template).toUpperCase())
  assert.equal(
    (await deployments.calculateTemplateHash(structuredClone(template))).templateHash,
    one.templateHash,
  )
})

test('a deployment that a stop cuts off says so after the next start', async (t) => {
  const other = await startTestServer(t)
  const hook = await startRecordingWebhook(t, [200], { handshake: () => {} })
  const template = templateOf([topic('cut'), hookOn('cut', hook.url)])
  const begun = await other.call('PUT', deploymentPath('rg', 'main'), body(template))
  assert.equal(begun.body.properties.provisioningState, 'Running')
  await other.restart()
  const { body: found } = await other.call('GET', deploymentPath('rg', 'main'))
  assert.equal(found.properties.provisioningState, 'Failed')
  assert.equal(found.properties.error.code, 'DeploymentInterrupted')
})
