import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createLog } from '../base/log.ts'
import { Metrics } from '../base/metrics.ts'
import { ManualClock } from '../testing/manual-clock.ts'
import { startRecordingWebhook } from '../testing/recording-webhook.ts'
import { temporaryDirectory } from '../testing/temporary-directory.ts'
import { startTestServer } from '../testing/test-server.ts'
import { categories, type DiagnosticSettings, openDiagnostics } from './diagnostics.ts'
import { RotatedFile } from './rotated-file.ts'

const resourceId = '/subscriptions/s/resourceGroups/rg/providers/Microsoft.EventGrid/topics/orders'
const at = Date.UTC(2026, 0, 2, 15, 4, 5, 678)

async function start(t: TestContext, settings: Partial<DiagnosticSettings> = {}) {
  const directory = join(await temporaryDirectory(t), 'logs')
  const clock = new ManualClock(at)
  const metrics = new Metrics()
  const diagnostics = await openDiagnostics(
    { directory, categories, maxFileBytes: 1_000_000, files: 3, ...settings },
    { clock, metrics, log: createLog('silent') },
  )
  return { directory, clock, metrics, diagnostics, read: (name: string) => readRecords(directory, name) }
}

const readRecords = (directory: string, name: string): Record<string, unknown>[] =>
  readFileSync(join(directory, `${name}.ndjson`), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))

test('a refused publish request is a record of PublishFailures', async (t) => {
  const { diagnostics, read } = await start(t)
  diagnostics.publishFailed?.({
    ...{ resourceId, inputSchema: 'EventGridSchema', events: undefined },
    requestUri: 'https://orders.westus2-1.eventgrid.azure.net/api/events',
    ...{ status: 'Unauthorized', errorType: 'ClientIPRejected', errorMessage: 'Publishing is rejected.' },
  })
  await diagnostics.close()
  assert.deepEqual(read('PublishFailures'), [
    {
      time: '2026-01-02T15:04:05.6780000Z',
      resourceId: resourceId.toUpperCase(),
      category: 'PublishFailures',
      operationName: 'Post',
      message:
        'inputEventsCount=null, requestUri=https://orders.westus2-1.eventgrid.azure.net/api/events, ' +
        `publisherInfo=PublisherInfo(category=User, inputSchema=EventGridEvent, armResourceId=${resourceId.toUpperCase()}), ` +
        'httpStatusCode=Unauthorized, errorType=ClientIPRejected, errorMessage=Publishing is rejected.',
    },
  ])
})

test('an event of a failed attempt is a record of DeliveryFailures', async (t) => {
  const { diagnostics, read } = await start(t)
  const body = Buffer.from('{"id":"e1","eventType":"Order.Placed","eventTime":"2026-01-02T00:00:00+01:00"}')
  diagnostics.deliveryFailed?.({
    ...{ resourceId, eventSubscriptionName: 'to-hook', deliverySchema: 'CloudEventSchemaV1_0' },
    event: {
      ...{ schema: 'EventGridSchema', id: 'e1', dataVersion: '', publishedAt: at - 60_000, body },
      internalId: Buffer.alloc(16),
    },
    outputEventId: '00000000-0000-0000-0000-000000000001',
    ...{ outcome: 'NotFound', response: 'HTTP 404: no such page', startedAt: at - 12, durationMs: 12 },
    ...{ attempts: 0, probations: 1, expiresAt: at + 86_340_000, url: 'https://example.org' },
  })
  await diagnostics.close()
  assert.deepEqual(read('DeliveryFailures'), [
    {
      time: '2026-01-02T15:04:05.6780000Z',
      resourceId: resourceId.toUpperCase(),
      eventSubscriptionName: 'TO-HOOK',
      category: 'DeliveryFailures',
      operationName: 'Deliver',
      message:
        'outcome=NotFound, latencyInMs=12, id=e1, systemId=00000000-0000-0000-0000-000000000001, ' +
        'state=FilteredFailingDelivery, deliveryTime=1/2/2026 3:04:05 PM, deliveryCount=0, probationCount=1, ' +
        'deliverySchema=CloudEventV10, eventSubscriptionDeliverySchema=CloudEventV10, ' +
        'requestExpiration=1/3/2026 3:03:05 PM, delivered=False, publishTime=1/2/2026 3:03:05 PM, ' +
        'eventTime=1/1/2026 11:00:00 PM, eventType=Order.Placed, filteringState=Filtered, ' +
        `inputSchema=EventGridEvent, publisher=ORDERS, size=${body.length}, url=https://example.org, ` +
        'deliveryResponse=HTTP 404: no such page',
    },
  ])
})

test('requests are counted apart by client, credential and result, and written once a minute', async (t) => {
  const { clock, diagnostics, read } = await start(t)
  const one = {
    ...{ resourceId, region: 'westus2', clientIpAddress: '10.0.0.1', tlsVersion: 'TLSv1.3', status: 200 },
    authentication: { type: 'Key' },
  } as const
  diagnostics.requested?.(one)
  diagnostics.requested?.(one)
  const authentication = { type: 'AADAccessToken', objectId: 'o' } as const
  diagnostics.requested?.({ ...one, tlsVersion: undefined, authentication, status: 413 })
  diagnostics.requested?.({ ...one, resourceId: `${resourceId}2`, status: 503 })
  await clock.advance(54_321)
  diagnostics.requested?.({ ...one, status: 415 })
  await clock.advance(1)
  await diagnostics.close()
  const record = (time: string, aggregatedRequests: readonly object[], id = resourceId) => ({
    time,
    resourceId: id.toUpperCase(),
    operationName: 'Microsoft.EventGrid/events/send',
    category: 'DataPlaneRequests',
    level: 'Information',
    region: 'westus2',
    properties: { aggregatedRequests },
  })
  const total = (operationResult: string, totalOperations: number) => ({
    networkAccess: 'PublicAccess',
    clientIpAddress: '10.0.0.1',
    tlsVersion: '1.3',
    authentication: { type: 'Key', objectId: null },
    operationResult,
    totalOperations,
  })
  const tooLarge = { ...total('RequestEntityTooLarge', 1), tlsVersion: null, authentication }
  assert.deepEqual(read('DataPlaneRequests'), [
    record('2026-01-02T15:05:00.0000000Z', [total('Success', 2), tooLarge, total('BadRequest', 1)]),
    record('2026-01-02T15:05:00.0000000Z', [total('InternalServerError', 1)], `${resourceId}2`),
  ])
})

test('operations on namespace topics are counted minute by minute, those that succeeded and those that failed apart', async (t) => {
  const { clock, diagnostics, read } = await start(t)
  const one = {
    resourceId: '/subscriptions/s/resourceGroups/rg/providers/Microsoft.EventGrid/namespaces/shop',
    region: 'westus2',
    operationName: 'Microsoft.EventGrid/events/receive',
    clientIpAddress: '10.0.0.1',
    tlsVersion: 'TLSv1.3',
    authenticationType: 'SharedAccessKey',
    objectId: undefined,
    status: 200,
  } as const
  diagnostics.operated?.(one)
  diagnostics.operated?.(one)
  diagnostics.operated?.({ ...one, authenticationType: 'Unknown', status: 401 })
  diagnostics.operated?.({ ...one, status: 429 })
  await clock.advance(60_000)
  await diagnostics.close()
  const [succeeded, ...others] = read('SuccessfulHttpDataPlaneOperations')
  assert.deepEqual(others, [])
  assert.equal(succeeded?.['resourceId'], one.resourceId.toUpperCase())
  assert.equal(succeeded?.['resultType'], 'Succeeded')
  assert.deepEqual(succeeded?.['properties'], {
    authenticationType: 'SharedAccessKey',
    callerIpAddress: '10.0.0.1',
    networkAccess: 'PublicAccess',
    tlsVersion: '1.3',
    totalOperations: 2,
  })
  const failed = read('FailedHttpDataPlaneOperations')
  assert.deepEqual(
    failed.map((record) => record['resultSignature']),
    ['AuthnError', 'QuotaExceeded'],
  )
})

test('a category that is not asked for has no function and no file, and without any there is no directory', async (t) => {
  const { directory, diagnostics } = await start(t, { categories: ['PublishFailures'] })
  assert.equal(diagnostics.deliveryFailed, undefined)
  assert.equal(diagnostics.requested, undefined)
  await diagnostics.close()
  const none = await start(t, { categories: [] })
  assert.equal(none.diagnostics.publishFailed, undefined)
  assert.equal(existsSync(none.directory), false)
  assert.deepEqual(readdirSync(directory), [])
})

test('files are turned before they grow beyond their bound, and the oldest go', async (t) => {
  const directory = await temporaryDirectory(t)
  const options = { directory, name: 'a', maxFileBytes: 30, files: 3, log: createLog('silent') }
  const file = await RotatedFile.open(options)
  for (let n = 10; n < 30; n++) file.add(`line ${n}\n`)
  await file.close()
  assert.deepEqual(readdirSync(directory).toSorted(), ['a.1.ndjson', 'a.2.ndjson', 'a.ndjson'])
  const text = (name: string) => readFileSync(join(directory, name), 'utf8')
  assert.equal(text('a.ndjson'), 'line 28\nline 29\n')
  assert.equal(text('a.1.ndjson'), 'line 25\nline 26\nline 27\n')
  const again = await RotatedFile.open(options)
  again.add('line 30\n')
  again.add('line 31\n')
  await again.close()
  assert.equal(text('a.1.ndjson'), 'line 28\nline 29\nline 30\n')
  assert.equal(text('a.ndjson'), 'line 31\n')
})

test('records that cannot wait or cannot be written are counted', async (t) => {
  const directory = await temporaryDirectory(t)
  const options = { directory, name: 'a', maxFileBytes: 1000, files: 1, log: createLog('silent') }
  const file = await RotatedFile.open(options)
  let added = 0
  while (file.hasRoom) {
    file.add('x\n')
    added++
  }
  assert.equal(added, 10_000)
  await file.close()
  assert.equal(file.hasRoom, true)
  const broken = await RotatedFile.open({ ...options, name: 'none/there' })
  broken.add('x\n')
  await broken.close()
  assert.equal(broken.dropped, 1)
})

test('the whole server writes what was refused, what failed, and who asked', async (t) => {
  const server = await startTestServer(t, { file: { diagnostics: {} } })
  const hook = await startRecordingWebhook(t, [503])
  await server.subscribe({ to: `${hook.url}?code=secret` })
  await server.publish({ id: 'e1' })
  await server.settle()
  const refused = await server.publishRaw('[{}]')
  assert.equal(refused.status, 400)
  const stranger = await server.publishRaw('[]', { headers: { 'aeg-sas-key': 'wrong' } })
  assert.equal(stranger.status, 401)
  await server.close()
  const directory = join(server.dataDir, 'logs')
  const messages = (name: string) => readRecords(directory, name).map(({ message }) => String(message))
  const [bad, unknown] = messages('PublishFailures')
  assert.match(
    bad ?? '',
    /^inputEventsCount=null, requestUri=http.*\/api\/events, .*httpStatusCode=BadRequest, errorType=InputJsonInvalid, /,
  )
  assert.match(unknown ?? '', /httpStatusCode=Unauthorized, errorType=Unauthorized, /)
  const [failed] = messages('DeliveryFailures')
  assert.match(
    failed ?? '',
    /^outcome=Busy, latencyInMs=\d+, id=e1, .*, url=http:\/\/[^/]+, deliveryResponse=HTTP 503$/,
  )
  const requests = readRecords(directory, 'DataPlaneRequests').flatMap(
    ({ properties }) => (properties as { aggregatedRequests: Record<string, unknown>[] }).aggregatedRequests,
  )
  assert.deepEqual(
    requests.map(({ operationResult, authentication, totalOperations }) => [
      operationResult,
      (authentication as { type: string }).type,
      totalOperations,
    ]),
    [
      ['Success', 'Key', 1],
      ['BadRequest', 'Key', 1],
      ['Unauthorized', 'Unknown', 1],
    ],
  )
})
