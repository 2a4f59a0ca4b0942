import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Histogram } from './histogram.ts'

test('a quantile of a histogram is within 0.8 % of the duration that was counted', () => {
  for (const us of [0, 1, 255, 256, 257, 1000, 65_535, 1_000_000, 2 ** 31 - 1]) {
    const histogram = new Histogram()
    histogram.add(us)
    histogram.add(2 ** 31 - 1)
    const found = histogram.quantileUs(0.5)
    assert.ok(found >= us && found <= us * 1.008 + 1, `${us} us was told as ${found}`)
  }
})

test('the 99th percentile leaves out the slowest hundredth', () => {
  const histogram = new Histogram()
  for (let us = 1; us <= 100; us++) histogram.add(us)
  assert.equal(histogram.quantileUs(0.5), 50)
  assert.equal(histogram.quantileUs(0.99), 99)
  assert.equal(histogram.quantileUs(1), 100)
})

test('a histogram survives being posted to another thread', () => {
  const histogram = new Histogram()
  histogram.add(42)
  const copy = new Histogram(structuredClone(histogram.copy()))
  assert.deepEqual([copy.total, copy.largestUs, copy.quantileUs(0.5)], [1, 42, 42])
})
