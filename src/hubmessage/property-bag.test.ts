import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodePropertyBag, encodePropertyBag } from './property-bag.ts'

test('a property bag that is encoded is decoded to the same, whatever is in it', () => {
  const bag = {
    system: { messageId: 'm 1', to: '/devices/d/messages/devicebound', contentType: 'application/json' },
    properties: { 'a/b': 'c&d=e', empty: '', alone: null, '$.own': '+#', grün: '%41' },
  }
  const text = encodePropertyBag(bag)
  assert.deepEqual(decodePropertyBag(text), bag)
  assert.doesNotMatch(text, /[+#/]/)
  assert.match(text, /^%24\.mid=m%201&/)
})
