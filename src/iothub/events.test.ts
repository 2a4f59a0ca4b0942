import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLog } from '../base/log.ts'
import type { HttpRequest } from '../http/http.ts'
import { defaultHubEventsLimits, openHubEvents } from '../hubevents/hub-events.ts'
import { openMemoryStore } from '../store/engines/memory.ts'
import { ManualClock } from '../testing/manual-clock.ts'
import { readEvents } from './events.ts'

test('messages of a partition are read in the order of their numbers, whatever the clock said meanwhile', async (t) => {
  const clock = new ManualClock()
  const events = await openHubEvents({
    ...{ streams: openMemoryStore().streams, name: 'contoso', clock, log: createLog('silent') },
    ...{ settings: { partitions: 2, retentionDays: 1 }, limits: defaultHubEventsLimits },
  })
  t.after(() => events.close())
  const times = [5, 90, 30, 40].map((seconds) => clock.now() + seconds * 1000)
  for (const enqueuedAt of times)
    await events.append([
      {
        ...{ source: 'Telemetry', deviceId: 'dev1', moduleId: undefined, generationId: '1' },
        ...{ authMethod: '', payload: Buffer.from('x'), enqueuedAt, system: {}, properties: {} },
      },
    ])
  const read = async (query: string) => {
    const request = { query: new URLSearchParams(query), onGone: () => {} } as unknown as HttpRequest
    const { body } = await readEvents(events, request, clock)
    return JSON.parse(String(body)) as {
      readonly value: readonly { readonly sequenceNumber: number }[]
      readonly continuation: string
    }
  }
  const numbers: number[] = []
  let query = 'from=earliest&max=1'
  for (const _ of times) {
    const { value, continuation } = await read(query)
    numbers.push(...value.map(({ sequenceNumber }) => sequenceNumber))
    query = `continuation=${continuation}&max=2`
  }
  assert.deepEqual(numbers, [0, 1, 2, 3])
})
