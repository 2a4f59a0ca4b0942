import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Value } from './language/value.ts'
import { minifiedTemplate, templateHash } from './template-hash.ts'
import { readTemplateText } from './template-text.ts'

const schema = 'https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#'

/** What the Bicep compiler makes of an empty file. */
const empty = (generator: Record<string, Value>): Value => ({
  $schema: schema,
  contentVersion: '1.0.0.0',
  metadata: { _generator: { name: 'bicep', version: 'dev', ...generator } },
  resources: [],
})

test('the hash of a template is that of the service', () => {
  assert.equal(templateHash(empty({})), '12740863314443779634')
})

test('the hash that a template notes of itself is not hashed', () => {
  assert.equal(templateHash(empty({ templateHash: '12740863314443779634' })), '12740863314443779634')
})

test('white space, comments, letter case and the order of members do not change the hash', () => {
  const texts = [
    '{"contentVersion":"1","parameters":{"a":{"type":"string","defaultValue":"x"}},"resources":[{"type":"A.B/c","name":"n","tags":{"x":"y"},"copy":{"name":"l","count":2}}]}',
    '{ // note\n "resources": [ { "name": "n", "copy": {"count": 2, "name": "l"}, "tags": {"x":"y"}, "type": "A.B/c" } ], "contentVersion": "1", parameters: { "a": { "defaultValue": "X", "type": "string" } } }',
  ]
  const [plain, other] = texts.map(readTemplateText)
  assert.match(templateHash(plain as Value), /^\d{1,20}$/)
  assert.equal(templateHash(plain as Value), templateHash(other as Value))
  assert.equal(
    minifiedTemplate(other as Value),
    '{"CONTENTVERSION":"1","PARAMETERS":{"A":{"DEFAULTVALUE":"X","TYPE":"STRING"}},"RESOURCES":[{"TYPE":"A.B/C","NAME":"N","TAGS":{"X":"Y"},"COPY":{"NAME":"L","COUNT":2}}]}',
  )
})

test('another template has another hash', () => {
  assert.notEqual(templateHash({ resources: [] }), templateHash({ resources: [1] }))
})
