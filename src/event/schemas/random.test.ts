import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RequestError } from '../../base/errors.ts'
import { decoderOf, testTopicId as topicId } from '../../testing/events.ts'
import { decodeStored, encodeDelivery, encodeHead } from '../encode.ts'
import type { GridEvent } from '../event.ts'
import type { Decode } from './schema.ts'

/** Small, and the same numbers every time: a failure can be looked at again. */
function createRandom(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

const pieces = [
  '"',
  '\\',
  '{',
  '}',
  '[',
  ']',
  ':',
  ',',
  ' ',
  'a',
  'é',
  '€',
  '𝄞',
  '\n',
  '\u0000',
  '/',
  'x'.repeat(40),
]

function createText(random: (below: number) => number): string {
  return Array.from({ length: random(6) }, () => pieces[random(pieces.length)]).join('')
}

function createValue(random: (below: number) => number, depth: number): unknown {
  switch (random(depth > 5 ? 5 : 8)) {
    case 0:
      return null
    case 1:
      return random(2) === 0
    case 2:
      return random(1_000_000) / 1_000
    case 3:
    case 4:
      return createText(random)
    case 5:
      return Array.from({ length: random(4) }, () => createValue(random, depth + 1))
    default:
      return Object.fromEntries(
        Array.from({ length: random(5) }, () => [createText(random), createValue(random, depth + 1)]),
      )
  }
}

const bodyOf = ({ source, start, end, tail }: GridEvent) =>
  Buffer.concat([source.subarray(start, end), tail]).toString()

/** Members in any order, some of them left out. */
function createEvent(random: (below: number) => number, required: object, optional: object): object {
  const members = [...Object.entries(required), ...Object.entries(optional).filter(() => random(2) === 0)]
  return Object.fromEntries(
    members
      .map((member) => [random(100), member] as const)
      .toSorted(([a], [b]) => a - b)
      .map(([, member]) => member),
  )
}

type Random = (below: number) => number

interface Form {
  readonly decode: Decode
  readonly create: (random: Random) => object
  /** The event as it is inside the house. */
  readonly expect: (published: Readonly<Record<string, unknown>>) => object
}

const ofSchema = (random: Random) => ({
  id: createText(random),
  subject: createText(random),
  eventType: createText(random),
  eventTime: '2026-11-21T13:00:00Z',
})

const stamped = { dataVersion: '', metadataVersion: '1', data: null }
const domainId = topicId.replace('/topics/orders', '/domains/shop')

const forms: Readonly<Record<string, Form>> = {
  EventGridSchema: {
    decode: decoderOf('EventGridSchema'),
    create: (random) =>
      createEvent(random, ofSchema(random), {
        data: createValue(random, 0),
        dataVersion: createText(random),
        metadataVersion: '1',
        topic: topicId,
      }),
    expect: (published) => ({ topic: topicId, ...stamped, ...published }),
  },
  'EventGridSchema in a domain': {
    decode: decoderOf('EventGridSchema', { topicId: domainId, domain: true }),
    create: (random) =>
      createEvent(
        random,
        { ...ofSchema(random), topic: ['toys', 'Books', `${domainId}/topics/toys`][random(3)] },
        { data: createValue(random, 0), dataVersion: createText(random), metadataVersion: '1' },
      ),
    expect: (published) => ({
      ...stamped,
      ...published,
      topic: `${domainId}/topics/${(published['topic'] as string).split('/').at(-1)}`,
    }),
  },
  CloudEventSchemaV1_0: {
    decode: decoderOf('CloudEventSchemaV1_0'),
    create: (random) =>
      createEvent(
        random,
        {
          id: `i${createText(random)}`,
          source: `s${createText(random)}`,
          type: `t${createText(random)}`,
          specversion: '1.0',
        },
        {
          data: createValue(random, 0),
          subject: createText(random),
          time: null,
          ext1: createText(random),
          ext2: null,
        },
      ),
    expect: (published) =>
      Object.fromEntries(
        Object.entries(published).filter(([member, value]) => value !== null || member === 'data'),
      ),
  },
  CustomEventSchema: {
    decode: decoderOf('CustomEventSchema'),
    create: (random) =>
      createEvent(random, ofSchema(random), {
        dataVersion: createText(random),
        data: createValue(random, 0),
        [`x${createText(random)}`]: createValue(random, 0),
      }),
    expect: (data) => {
      const { id, subject, eventType, eventTime, dataVersion = '' } = data
      return {
        ...{ id, topic: topicId, subject, eventType, eventTime, dataVersion },
        ...{ metadataVersion: '1', data },
      }
    },
  },
}

for (const [name, { decode, create, expect }] of Object.entries(forms)) {
  const contentType = 'application/cloudevents-batch+json'

  test(`${name}: five hundred random requests come out as JSON reads them`, () => {
    for (let seed = 0; seed < 500; seed++) {
      const random = createRandom(seed)
      const published = Array.from({ length: 1 + random(5) }, () => create(random))
      const text = JSON.stringify(published, null, [0, 1, 3, '\t'][random(4)])
      const events = decode({ body: Buffer.from(text), contentType, rawHeaders: [] })
      for (const [index, event] of events.entries()) {
        const expected = expect(published[index] as Record<string, unknown>)
        assert.deepEqual(JSON.parse(bodyOf(event)), expected, `seed ${seed}`)
        assert.deepEqual(JSON.parse(bodyOf(event)), event.envelope, `seed ${seed}`)
      }
    }
  })

  test(`${name}: a request damaged in one byte is either refused or decoded to what JSON reads`, () => {
    for (let seed = 0; seed < 1_500; seed++) {
      const random = createRandom(seed)
      const body = Buffer.from(JSON.stringify([create(random), create(random)]))
      body[random(body.length)] = [0x22, 0x5c, 0x7b, 0x7d, 0x2c, 0x3a, 0x20, 0x80, 0x31][random(9)] as number
      try {
        for (const event of decode({ body, contentType, rawHeaders: [] }))
          assert.deepEqual(JSON.parse(bodyOf(event)), event.envelope, `seed ${seed}`)
      } catch (error) {
        if (!(error instanceof RequestError)) throw error
      }
    }
  })

  test(`${name}: what is stored is what was decoded, and what a custom event was published as is found in it`, () => {
    for (let seed = 0; seed < 200; seed++) {
      const random = createRandom(seed)
      const published = create(random)
      const text = JSON.stringify([published], null, [0, 1, 3, '\t'][random(4)])
      const [event] = decode({ body: Buffer.from(text), contentType, rawHeaders: [] }) as [GridEvent]
      const { source, start, end, tail } = event
      const head = encodeHead(event, seed, Buffer.alloc(16))
      const stored = decodeStored(Buffer.concat([head, source.subarray(start, end), tail]))
      assert.equal(stored.schema, event.schema)
      assert.equal(stored.id, event.id)
      assert.equal(stored.dataVersion, event.dataVersion)
      assert.equal(stored.body.toString(), bodyOf(event))
      if (event.schema !== 'CustomEventSchema') continue
      const { body } = encodeDelivery([stored], { schema: 'CustomInputSchema', batched: false, topicId })
      assert.deepEqual(JSON.parse(body.toString()), [published])
      assert.ok(text.includes(body.toString().slice(1, -1)), `seed ${seed}`)
    }
  })
}
