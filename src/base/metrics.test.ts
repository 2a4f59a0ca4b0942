import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Metrics } from './metrics.ts'

test('what had a label value is forgotten with every other label it had, and may come again from nought', () => {
  const metrics = new Metrics()
  const one = { topic: 't', name: 'a"b' }
  const other = { topic: 't', name: 'a' }
  metrics.counter('events', 'Events.', one).add(3)
  metrics.counter('events', 'Events.', other).add(5)
  metrics.histogram('took', 'Time.', one, [1]).observe(1)
  metrics.gauge('waiting', 'Waiting.', () => 7, one)

  metrics.forget('name', 'a"b')
  const events = '# HELP events Events.\n# TYPE events counter\n'
  assert.equal(metrics.encode(), `${events}events{topic="t",name="a"} 5\n`)
  metrics.counter('events', 'Events.', one).add()
  assert.equal(metrics.encode(), `${events}events{topic="t",name="a"} 5\nevents{topic="t",name="a\\"b"} 1\n`)
  metrics.forget('topic', 't')
  metrics.forget('topic', 'unknown')
  assert.equal(metrics.encode(), '')
})
