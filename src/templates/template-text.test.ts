import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RequestError } from '../base/errors.ts'
import { templateLimits } from './limits.ts'
import { readTemplateText } from './template-text.ts'

test('strict JSON is read as it is', () => {
  const text = '{"a": [1, -2.5e3, true, false, null, "x\\u0041\\n"], "b": {}, "__proto__": 1}'
  assert.deepEqual(readTemplateText(text), JSON.parse(text))
})

test('the body that az sends is read: an unquoted key, and a template file byte for byte', () => {
  const body = `{"properties": {"parameters": {"n": {"value": 1}}, "mode": "Incremental", template:{
    // what this makes
    "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#", /* inline */
    "variables": {
      "long": "[concat('a',
        'b')]",
      'single': 'it\\'s "fine"',
    },
    "resources": [ { "url": "http://x/*not a comment*/", }, ],
  } // the end
  }}
  // after the end`
  assert.deepEqual(readTemplateText(body), {
    properties: {
      parameters: { n: { value: 1 } },
      mode: 'Incremental',
      template: {
        $schema: 'https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#',
        variables: { long: "[concat('a',\n        'b')]", single: 'it\'s "fine"' },
        resources: [{ url: 'http://x/*not a comment*/' }],
      },
    },
  })
})

test('a byte order mark in front means nothing', () => {
  assert.deepEqual(readTemplateText('\uFEFF{a: 1}'), { a: 1 })
})

test('a member called __proto__ is a member like any other', () => {
  const read = readTemplateText('{__proto__: {x: 1}}') as object
  assert.equal(Object.hasOwn(read, '__proto__'), true)
  assert.equal(Object.getPrototypeOf(read), Object.prototype)
})

const wrong: readonly (readonly [text: string, says: RegExp])[] = [
  ['', /Expected a value, and came to the end of the text\. Line 1, column 1\./],
  ['{\n  a: 1\n  b: 2\n}', /Expected ',' or '}', and came to 'b'\. Line 3, column 3\./],
  ['{a 1}', /Expected ':' after the property name, and came to '1'\. Line 1, column 4\./],
  ['{a: }', /Expected a value, and came to '}'\. Line 1, column 5\./],
  ['{,}', /Expected a property name or '}', and came to ','\. Line 1, column 2\./],
  ['[1 2]', /Expected ',' or '\]', and came to '2'\. Line 1, column 4\./],
  ['{a: yes}', /Expected a value, and came to 'y'\. Line 1, column 5\./],
  ['{a: 01}', /Expected a value, and came to '0'/],
  ['{a: 1} x', /Expected the end, and came to 'x'\. Line 1, column 8\./],
  ['{a: "x', /The string that begins here does not end\. Line 1, column 5\./],
  ['{a: 1 /* x', /The comment that begins here does not end\. Line 1, column 7\./],
  ["{a: '\\x41'}", /There is no escape '\\x'\. Line 1, column 6\./],
  ["{a: '\\u00g0'}", /Expected four hexadecimal digits/],
]

for (const [text, says] of wrong)
  test(`${JSON.stringify(text)} is refused with its line and column`, () => {
    assert.throws(
      () => readTemplateText(text),
      (error) =>
        error instanceof RequestError && error.code === 'InvalidRequestContent' && says.test(error.message),
    )
  })

test('a body is refused when it is cut at any character', () => {
  const body = `{properties: {template: {"a": ['x', 1, {"b": "c"}], /* d */ "e": null}}}`
  for (let length = 0; length < body.length; length++)
    assert.throws(() => readTemplateText(body.slice(0, length)), RequestError, `${length}`)
})

test('objects and arrays may nest as deep as the limit, strict or not, and no deeper', () => {
  const nested = (depth: number, inner: string) => '['.repeat(depth) + inner + ']'.repeat(depth)
  const { nesting } = templateLimits
  for (const inner of ['1', '/**/1']) {
    readTemplateText(nested(nesting, inner))
    assert.throws(() => readTemplateText(nested(nesting + 1, inner)), /at most 100 deep in one another/)
  }
  assert.throws(() => readTemplateText(nested(200_000, '/**/1')), /at most 100 deep in one another/)
})

test('a text that is too long is refused before it is read', () => {
  assert.throws(
    () => readTemplateText(' '.repeat(templateLimits.textCharacters + 1)),
    /at most \d+ characters/,
  )
})
