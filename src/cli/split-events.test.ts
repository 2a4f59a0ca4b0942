import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EventSplitter } from './split-events.ts'

function split(...chunks: readonly Buffer[]): string[] {
  const splitter = new EventSplitter()
  const events = chunks.flatMap((chunk) => [...splitter.add(chunk)])
  splitter.end()
  return events.map(String)
}

const one = '{"a":"} ] \\" \\\\","b":[{"c":{}}],"d":"ü"}'

test('objects are found wherever the stream is cut', () => {
  const input = Buffer.from(`\u{feff}[${one} , {}]\n${one}\r\n{"e":1}\t{"f":2}`)
  const expected = [one, '{}', one, '{"e":1}', '{"f":2}']
  for (let at = 0; at <= input.length; at++)
    assert.deepEqual(split(input.subarray(0, at), input.subarray(at)), expected)
  assert.deepEqual(split(...[...input].map((byte) => Buffer.from([byte]))), expected)
})

test('nothing is no event', () => {
  assert.deepEqual(split(), [])
  assert.deepEqual(split(Buffer.from(' [ ] \n')), [])
})

test('what is no object, and what does not end, is refused', () => {
  assert.throws(() => split(Buffer.from('{"a":1} 7')), /at byte 8 of the input stands '7'/)
  assert.throws(() => split(Buffer.from('[[{}]]')), /at byte 1 of the input stands '\['/)
  assert.throws(() => split(Buffer.from('[{}')), /ends in the middle of an array/)
  assert.throws(() => split(Buffer.from('{"a":"}')), /ends in the middle of an event/)
})
