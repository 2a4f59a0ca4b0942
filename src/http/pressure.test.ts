import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RequestError } from '../base/errors.ts'
import type { HttpRequest } from './http.ts'
import { createPressure } from './pressure.ts'

const limits = { requestBytes: 100, pendingBytes: 200, pendingRequests: 4 }
const refusal = () => new RequestError(429, 'TooManyRequests', 'Too much.')

const ofLength = (length: number | undefined) =>
  ({ headers: length === undefined ? {} : { 'content-length': String(length) } }) as HttpRequest

test('bodies together may be as large as the limit, and not one byte larger', () => {
  const pressure = createPressure(limits, refusal)
  pressure.take(ofLength(100))
  const place = pressure.take(ofLength(100))
  assert.throws(() => pressure.take(ofLength(1)), { status: 429 })
  place.release()
  pressure.take(ofLength(100))
})

test('a body of unknown length takes the most it may have, until it has been read', () => {
  const pressure = createPressure(limits, refusal)
  const places = [pressure.take(ofLength(undefined)), pressure.take(ofLength(undefined))]
  assert.throws(() => pressure.take(ofLength(undefined)), { status: 429 })
  for (const place of places) place.shrink(10)
  places.push(pressure.take(ofLength(100)), pressure.take(ofLength(80)))
  for (const place of places) place.release()
  pressure.take(ofLength(100))
  pressure.take(ofLength(100))
})

test('a body that is too large anyway takes no room: it will not be read', () => {
  const pressure = createPressure(limits, refusal)
  pressure.take(ofLength(100))
  pressure.take(ofLength(100))
  pressure.take(ofLength(101))
})
