import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { EventGridDeserializer, isSystemEvent } from '@azure/eventgrid'
import { BlobServiceClient, type ContainerClient } from '@azure/storage-blob'
import { type Azurite, startAzurite } from '../src/testing/azurite.ts'
import { closeAfter } from '../src/testing/close-after.ts'
import { subscription } from '../src/testing/control-plane.ts'
import { type RecordingWebhook, startRecordingWebhook } from '../src/testing/recording-webhook.ts'
import { eventually, startTestServer, type TestServer } from '../src/testing/test-server.ts'

/*
 * What storage clients change in Azurite through the door to its blob service reaches event subscriptions of the
 * storage account, as Azure tells of it.
 */

const account = `${subscription}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/contoso`
const deserializer = new EventGridDeserializer()

interface BlobEvent {
  readonly id: string
  readonly topic: string
  readonly subject: string
  readonly eventType: string
  readonly data: Readonly<Record<string, unknown>> & { readonly sequencer: string; readonly eTag: string }
}

const connectTo = (azurite: Azurite, port = 0) => ({
  file: {
    connections: { [account]: { connectionString: azurite.connectionString } },
    blobServices: [{ storageAccount: account, port }],
  },
})

const clientOf = (azurite: Azurite, server: TestServer) =>
  BlobServiceClient.fromConnectionString(
    azurite.connectionString.replace(/BlobEndpoint=[^;]+/, `BlobEndpoint=${server.blobs}`),
    { retryOptions: { maxTries: 1 } },
  )

async function listenTo(t: TestContext, server: TestServer): Promise<RecordingWebhook> {
  const hook = await startRecordingWebhook(t)
  const id = `${account}/providers/Microsoft.EventGrid/eventSubscriptions/all`
  const answer = await server.call('PUT', id, {
    properties: {
      destination: { endpointType: 'WebHook', properties: { endpointUrl: hook.url } },
      filter: {
        includedEventTypes: ['BlobCreated', 'BlobDeleted', 'BlobTierChanged'].map(
          (name) => `Microsoft.Storage.${name}`,
        ),
      },
    },
  })
  assert.equal(answer.status, 201)
  await eventually(
    async () => (await server.call('GET', id)).body.properties.provisioningState === 'Succeeded',
  )
  hook.received.length = 0
  return hook
}

const eventsOf = ({ received }: RecordingWebhook): BlobEvent[] =>
  received.flatMap(({ body }) => body as BlobEvent[])

async function start(t: TestContext): Promise<{
  azurite: Azurite
  server: TestServer
  hook: RecordingWebhook
  container: ContainerClient
  events: () => Promise<BlobEvent[]>
}> {
  const azurite = await startAzurite(t)
  const server = await startTestServer(t, connectTo(azurite))
  const hook = await listenTo(t, server)
  const container = clientOf(azurite, server).getContainerClient('pictures')
  await container.create()
  const events = async () => {
    await server.settle()
    return eventsOf(hook)
  }
  return { azurite, server, hook, container, events }
}

test('an uploaded blob is told of with what the service answered, and the official client knows the event', async (t) => {
  const { server, hook, container, events } = await start(t)
  const upload = await container.getBlockBlobClient('2026/a cat.jpg').upload('meow', 4, {
    blobHTTPHeaders: { blobContentType: 'image/jpeg' },
  })
  const [event, ...others] = await events()
  assert(event)
  assert.deepEqual(others, [])
  assert.equal(event.topic, account)
  assert.equal(event.subject, '/blobServices/default/containers/pictures/blobs/2026/a cat.jpg')
  assert.equal(event.eventType, 'Microsoft.Storage.BlobCreated')
  const { sequencer, storageDiagnostics, ...data } = event.data
  assert.match(sequencer, /^[0-9a-f]{48}$/)
  assert.ok(storageDiagnostics)
  assert.deepEqual(data, {
    api: 'PutBlob',
    clientRequestId: upload.clientRequestId,
    requestId: upload.requestId,
    eTag: upload.etag?.replaceAll('"', ''),
    contentType: 'image/jpeg',
    contentLength: 4,
    blobType: 'BlockBlob',
    accessTier: 'Default',
    url: `${server.blobs}/pictures/2026/a%20cat.jpg`,
  })
  const read = await (await fetch(data.url)).text()
  assert.match(read, /<Error>/, 'a blob that is not public is not read without a signature')
  const [known] = await deserializer.deserializeEventGridEvents(hook.received[0]?.raw.toString() ?? '')
  assert(known && isSystemEvent('Microsoft.Storage.BlobCreated', known))
  assert.equal(known.data.contentLength, 4)
})

test('each way of changing a blob is told of once, under the name of its operation, and the later one compares higher', async (t) => {
  const { container, events } = await start(t)
  const blob = container.getBlockBlobClient('report.txt')
  await blob.upload('one', 3)
  const block = Buffer.from('1').toString('base64')
  await blob.stageBlock(block, 'block', 5)
  await blob.commitBlockList([block], { blobHTTPHeaders: { blobContentType: 'text/plain' } })
  await blob.setAccessTier('Cool')
  await blob.setMetadata({ reader: 'ada' })
  await blob.createSnapshot()
  const copy = container.getBlockBlobClient('copy.txt')
  await (await copy.beginCopyFromURL(blob.url)).pollUntilDone()
  await container.getAppendBlobClient('log').create()
  await container.getPageBlobClient('disk').create(1024)
  await copy.delete()
  await container.getBlobClient('report.txt').delete({ deleteSnapshots: 'include' })

  const told = await events()
  assert.deepEqual(
    told.map(({ eventType, subject, data }) => [
      eventType.split('.')[2],
      data.api,
      subject.split('/').at(-1),
      data.blobType,
      data.contentLength,
    ]),
    [
      ['BlobCreated', 'PutBlob', 'report.txt', 'BlockBlob', 3],
      ['BlobCreated', 'PutBlockList', 'report.txt', 'BlockBlob', 5],
      ['BlobTierChanged', 'SetBlobTier', 'report.txt', 'BlockBlob', 5],
      ['BlobCreated', 'CopyBlob', 'copy.txt', 'BlockBlob', 5],
      ['BlobCreated', 'PutBlob', 'log', 'AppendBlob', 0],
      ['BlobCreated', 'PutBlob', 'disk', 'PageBlob', 1024],
      ['BlobDeleted', 'DeleteBlob', 'copy.txt', 'BlockBlob', undefined],
      ['BlobDeleted', 'DeleteBlob', 'report.txt', 'BlockBlob', undefined],
    ],
  )
  assert.equal(told[1]?.data.contentType, 'text/plain')
  assert.deepEqual([told[2]?.data.accessTier, told[2]?.data.previousTier], ['Cool', 'Hot'])
  assert.equal(told[7]?.data.contentType, 'text/plain')
  const sequencers = told.map(({ data }) => data.sequencer)
  assert.deepEqual(sequencers, sequencers.toSorted())
  assert.equal(new Set(told.map(({ id }) => id)).size, told.length)
})

test('nothing is told of what the service refused', async (t) => {
  const { container, events } = await start(t)
  const blob = container.getBlockBlobClient('once.txt')
  await blob.upload('first', 5)
  await assert.rejects(blob.upload('second', 6, { conditions: { ifNoneMatch: '*' } }), { statusCode: 409 })
  await assert.rejects(container.getBlobClient('nowhere').delete(), { statusCode: 404 })
  await assert.rejects(blob.commitBlockList([Buffer.from('9').toString('base64')]), { statusCode: 400 })
  const stranger = new BlobServiceClient(container.url.replace('/pictures', ''))
  await assert.rejects(stranger.getContainerClient('pictures').getBlockBlobClient('x').upload('x', 1))
  assert.equal((await events()).length, 1)
})

test('each delete in a batch is told of, and a part that is refused is not', async (t) => {
  const { azurite, server, container, events } = await start(t)
  const names = Array.from({ length: 20 }, (_, n) => `many/${n}`)
  await Promise.all(names.map((name) => container.getBlockBlobClient(name).upload(name, name.length)))
  const batch = clientOf(azurite, server).getBlobBatchClient()
  const clients = [...names, 'not-there'].map((name) => container.getBlobClient(name))
  const answer = await batch.deleteBlobs(clients)
  assert.equal(answer.subResponsesFailedCount, 1)
  const deleted = (await events()).filter(({ eventType }) => eventType.endsWith('BlobDeleted'))
  assert.deepEqual(deleted.map(({ subject }) => subject.split('/blobs/')[1]).toSorted(), names.toSorted())
})

test('uploads at the same time are each told of exactly once', async (t) => {
  const { container, events } = await start(t)
  const names = Array.from({ length: 200 }, (_, n) => `blob-${n}`)
  await Promise.all(names.map((name) => container.getBlockBlobClient(name).upload('x', 1)))
  const told = await events()
  assert.deepEqual(
    told.map(({ subject }) => subject.split('/').at(-1) as string).toSorted(),
    names.toSorted(),
  )
})

test('a change whose answer was lost is told of when the service says what became of it, across a restart too', async (t) => {
  const azurite = await startAzurite(t)
  // Stands before Azurite; loses the answer to an upload when told to, and everything from then on.
  let line: 'whole' | 'breaks' | 'broken' = 'whole'
  const between = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = []
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
    const carry = async () => {
      if (line === 'broken') return void outgoing.destroy()
      const { method = '', url = '', headers } = incoming
      const answer = await fetch(`http://127.0.0.1:${azurite.port}${url}`, {
        method,
        headers: Object.entries(headers).filter(
          ([name]) => !/^(host|connection|content-length)$/.test(name),
        ) as [string, string][],
        ...(method === 'PUT' && { body: Buffer.concat(chunks) }),
      })
      if (line === 'breaks' && method === 'PUT') line = 'broken'
      if (line === 'broken') return void outgoing.destroy()
      outgoing.writeHead(answer.status, Object.fromEntries(answer.headers))
      outgoing.end(Buffer.from(await answer.arrayBuffer()))
    }
    incoming.on('end', () => {
      carry().catch(() => outgoing.destroy())
    })
  })
  await new Promise<void>((resolve) => {
    between.listen(0, '127.0.0.1', resolve)
  })
  closeAfter(t, () => between.close())
  const { port } = between.address() as AddressInfo
  const through = {
    ...azurite,
    connectionString: azurite.connectionString.replace(`:${azurite.port}/`, `:${port}/`),
  }
  const server = await startTestServer(t, connectTo(through))
  const hook = await listenTo(t, server)
  await azurite.container('pictures').create()
  const upload = () =>
    clientOf(through, server).getContainerClient('pictures').getBlockBlobClient('lost.txt').upload('here', 4)
  line = 'breaks'
  await assert.rejects(upload(), { statusCode: 503 })
  await assert.rejects(upload(), { statusCode: 503 }, 'what became of the first is not known yet')
  await server.settle()
  assert.deepEqual(eventsOf(hook), [])
  line = 'whole'
  await server.restart()
  await eventually(async () => {
    await server.settle()
    return eventsOf(hook).length > 0
  })
  const [event, ...others] = eventsOf(hook)
  assert.deepEqual(others, [])
  assert.equal(event?.data.api, 'PutBlob')
  assert.equal(event?.data.contentLength, 4)
  const { etag } = await azurite.container('pictures').getBlobClient('lost.txt').getProperties()
  assert.equal(`"${event?.data.eTag}"`, etag)
  await upload()
  await server.settle()
  assert.equal(eventsOf(hook).length, 2)
})

test('where nobody listens a request is passed on as it came, and reads are', async (t) => {
  const azurite = await startAzurite(t)
  const server = await startTestServer(t, connectTo(azurite))
  const container = clientOf(azurite, server).getContainerClient('quiet')
  await container.create()
  await container.getBlockBlobClient('a').upload('bytes', 5)
  assert.equal((await container.getBlobClient('a').downloadToBuffer()).toString(), 'bytes')
  assert.equal(await server.metric('busbar_publish_success_total'), 0)
})
