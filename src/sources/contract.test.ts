import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { EventGridDeserializer } from '@azure/eventgrid'
import { generateEventTypes } from '../../scripts/generate-event-types.ts'
import { encodeDelivery } from '../event/encode.ts'
import type { DeliverySchema } from '../event/event.ts'
import { buildEvent } from './build-event.ts'
import { createCheckData } from './check-data.ts'
import { createDataSchemas } from './data-schemas.ts'
import { exampleSource, exampleTopic } from './example.ts'
import { sources } from './index.ts'
import { allEventTypes, findEventType, isSource } from './lookup.ts'

const schemas = createDataSchemas()
const checkData = createCheckData(schemas)
const deserializer = new EventGridDeserializer()

const generated = new URL('generated/', import.meta.url)

/** Where two topic types are served by one, or by whoever publishes. */
const withoutEventTypes = ['Microsoft.EventGrid.Topics', 'Microsoft.EventGrid.Domains']

/** Names that the official client misspells, and what they are on the wire. */
const misspelt: Readonly<Record<string, string>> = {
  'Microsoft.HealthcareApis.FhirUpdatedCreated': 'Microsoft.HealthcareApis.FhirResourceUpdated',
  'Microsoft.HealthcareApis.FhirDeletedCreated': 'Microsoft.HealthcareApis.FhirResourceDeleted',
  'Microsoft.Communication.RouterJobWorkerSelectorsExpire':
    'Microsoft.Communication.RouterJobWorkerSelectorsExpired',
  'Microsoft.PolicyInsights.PolicyStateChanged ': 'Microsoft.PolicyInsights.PolicyStateChanged',
}

test('what is generated is what the installed client says: else run node scripts/generate-event-types.ts', () => {
  const files = generateEventTypes()
  assert.deepEqual(readdirSync(generated).toSorted(), [...files.keys()].toSorted())
  for (const [name, text] of files)
    assert.ok(
      readFileSync(new URL(name, generated), 'utf8') === text,
      `src/sources/generated/${name} is not up to date: run node scripts/generate-event-types.ts`,
    )
})

test('every event type that the official client knows is on the shelf, by its true name', () => {
  const declared = readFileSync(
    new URL('../../node_modules/@azure/eventgrid/dist/esm/predicates.d.ts', import.meta.url),
    'utf8',
  )
  const known = [...declared.matchAll(/^ {4}"([^"]+)": \w+;/gm)].map(([, name = '']) => name)
  assert.ok(known.length >= 222)
  for (const name of known) {
    const trueName = misspelt[name] ?? name
    assert.equal(findEventType(trueName)?.eventType.name, trueName)
  }
  for (const name of Object.keys(misspelt)) assert.equal(findEventType(name), undefined)
})

test('topic types and the event types of each are told apart by name', () => {
  const topicTypes = sources.map(({ topicType = '' }) => topicType.toLowerCase())
  assert.equal(new Set(topicTypes).size, sources.length)
  for (const { topicType, eventTypes } of sources) {
    assert.equal(eventTypes.length === 0, withoutEventTypes.includes(topicType ?? ''))
    assert.equal(new Set(eventTypes.map(({ name }) => name)).size, eventTypes.length)
  }
})

for (const source of sources)
  test(`${source.topicType ?? 'Event Grid itself'}: its example is a source of that kind`, () => {
    assert.ok(isSource(source, exampleSource(source)), exampleSource(source))
  })

for (const { name } of allEventTypes())
  test(`${name}: its example is as its schema says, and the official client reads it`, async () => {
    const { eventType, sources: carriers } = findEventType(name) as NonNullable<
      ReturnType<typeof findEventType>
    >
    const [source] = carriers
    assert.ok(source)
    assert.match(eventType.description, /^[A-Z].*[a-z]{2}.*\.$/)
    assert.doesNotMatch(eventType.exampleSubject, /[{}]/)
    const { schema, example } = await schemas.read(name)
    assert.ok(Object.keys(schema['properties'] as object).length > 0)
    assert.deepEqual(await checkData(name, example), [])
    assert.notDeepEqual(await checkData(name, 'text'), [])

    const event = buildEvent(source, name, {
      sourceId: exampleSource(source),
      subject: eventType.exampleSubject,
      data: example,
      id: '1',
      eventTime: '2026-11-25T12:00:00.1234567Z',
    })
    assert.deepEqual(JSON.parse(bodyOf(event).toString()), event.envelope)
    const { dataVersion } = eventType
    const stored = [
      {
        schema: 'EventGridSchema' as const,
        id: '1',
        dataVersion,
        publishedAt: 0,
        internalId: Buffer.alloc(16),
        body: bodyOf(event),
      },
    ]
    const deliver = (as: DeliverySchema) =>
      encodeDelivery(stored, { schema: as, batched: false, topicId: '/not/used' }).body.toString()
    const [grid] = await deserializer.deserializeEventGridEvents(deliver('EventGridSchema'))
    assert.ok(grid)
    assert.equal(grid.eventType, name)
    assert.equal(grid.topic, exampleTopic(source))
    assert.equal(grid.dataVersion, dataVersion)
    assert.deepEqual(grid.eventTime, new Date('2026-11-25T12:00:00.123Z'))
    assert.deepEqual(grid.data, example)
    const [cloud] = await deserializer.deserializeCloudEvents(deliver('CloudEventSchemaV1_0'))
    assert.ok(cloud)
    assert.equal(cloud.type, name)
    assert.equal(cloud.source, exampleTopic(source))
    assert.equal(cloud.subject, eventType.exampleSubject)
    assert.deepEqual(cloud.data, example)
  })

const bodyOf = ({ source, start, end, tail }: ReturnType<typeof buildEvent>) =>
  Buffer.concat([source.subarray(start, end), tail])
