import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RequestError } from '../../base/errors.ts'
import { decoderOf, testTopicId as topicId } from '../../testing/events.ts'
import type { GridEvent } from '../event.ts'

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

const forms = {
  EventGridSchema: (random: (below: number) => number) =>
    createEvent(
      random,
      {
        id: createText(random),
        subject: createText(random),
        eventType: createText(random),
        eventTime: '2026-11-21T13:00:00Z',
      },
      { data: createValue(random, 0), dataVersion: createText(random), metadataVersion: '1', topic: topicId },
    ),
  CloudEventSchemaV1_0: (random: (below: number) => number) =>
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
}

for (const [name, create] of Object.entries(forms) as [
  keyof typeof forms,
  (typeof forms)[keyof typeof forms],
][]) {
  const decode = decoderOf(name)
  const contentType = 'application/cloudevents-batch+json'

  test(`${name}: five hundred random requests come out as JSON reads them`, () => {
    for (let seed = 0; seed < 500; seed++) {
      const random = createRandom(seed)
      const published = Array.from({ length: 1 + random(5) }, () => create(random))
      const text = JSON.stringify(published, null, [0, 1, 3, '\t'][random(4)])
      const events = decode({ body: Buffer.from(text), contentType, rawHeaders: [] })
      for (const [index, event] of events.entries()) {
        const kept = Object.entries(published[index] ?? {}).filter(
          ([member, value]) => value !== null || member === 'data',
        )
        const stamped =
          name === 'EventGridSchema'
            ? { topic: topicId, dataVersion: '', metadataVersion: '1', data: null }
            : {}
        assert.deepEqual(
          JSON.parse(bodyOf(event)),
          { ...stamped, ...Object.fromEntries(kept) },
          `seed ${seed}`,
        )
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
}
