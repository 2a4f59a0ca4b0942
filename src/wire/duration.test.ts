import assert from 'node:assert/strict'
import { test } from 'node:test'
import { durationMs } from './duration.ts'

test('durations of ISO 8601 in days, hours, minutes and seconds are read', () => {
  const minute = 60_000
  for (const [text, expected] of [
    ['PT1M', minute],
    ['P7D', 7 * 24 * 60 * minute],
    ['P1DT12H', 36 * 60 * minute],
    ['PT1H30M15S', 90 * minute + 15_000],
    ['pt90m', 90 * minute],
    ['PT0.5S', 500],
    ['PT1.2345678S', 1234],
  ] as const)
    assert.equal(durationMs(text), expected, text)
})

test('what is no such duration is none', () => {
  for (const text of [
    '',
    'P',
    'PT',
    'P1DT',
    '7D',
    'P1M',
    'P1Y',
    'P1W2D',
    '-P1D',
    'PT1M ',
    'PT1.S',
    'P1.5D',
    '60',
  ])
    assert.equal(durationMs(text), undefined, text)
})
