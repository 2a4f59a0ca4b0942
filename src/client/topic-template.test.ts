import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRandom } from '../testing/random.ts'
import type { ClientFacts } from './attributes.ts'
import { SyntaxFault } from './syntax-fault.ts'
import { azureTemplateLimits, compileTopicTemplate, levelsOfTopic } from './topic-template.ts'

const client: ClientFacts = {
  authenticationName: 'Machine1',
  attributes: {
    area: 'north',
    floor: 5,
    sensors: ['motion', 'light'],
    odd: 'a/b',
    wild: '+',
    empty: '',
    none: [],
    some: ['a/b', 'ok'],
  },
}
const of = (text: string, facts = client) => compileTopicTemplate(text, azureTemplateLimits).forClient(facts)
const covers = (template: string, topic: string, facts = client): boolean => {
  const levels = levelsOfTopic(topic)
  return levels !== undefined && of(template, facts)?.covers(levels) === true
}
const v = (name: string) => `\${client.${name}}`

const matching: readonly (readonly [string, string, boolean])[] = [
  ['areas/a1', 'areas/a1', true],
  ['areas/a1', 'areas/A1', false],
  ['areas/a1', 'areas/a1/', false],
  ['areas/+', 'areas/a1', true],
  ['areas/+', 'areas/', true],
  ['areas/+', 'areas', false],
  ['areas/+', 'areas/a1/x', false],
  ['areas/#', 'areas/a1/x', true],
  ['areas/#', 'areas', true],
  ['areas/#', 'area', false],
  ['#', 'anything/at/all', true],
  ['#', '$SYS/uptime', false],
  ['+/x', '$SYS/x', false],
  ['/a', '/a', true],
  ['/a', 'a', false],
  [`machines/${v('authenticationName')}/temp`, 'machines/Machine1/temp', true],
  [`machines/${v('authenticationName')}/temp`, 'machines/machine1/temp', false],
  [`machines/${v('authenticationName')}/temp`, 'machines/machine2/temp', false],
  [`machines/${v('authenticationName|.factory1')}/temp`, 'machines/Machine1.factory1/temp', true],
  [`machines/${v('authenticationName|.factory1')}/temp`, 'machines/Machine1/temp', false],
  [`areas/pre${v('attributes.area')}post`, 'areas/prenorthpost', true],
  [`areas/${v('attributes.area|-1')}`, 'areas/north-1', true],
  [`floors/${v('attributes.floor')}`, 'floors/5', true],
  [`${v('attributes.area')}-${v('attributes.floor')}`, 'north-5', true],
  [`s/${v('attributes.sensors')}`, 's/light', true],
  [`s/${v('attributes.sensors')}`, 's/motion', true],
  [`s/${v('attributes.sensors')}`, 's/other', false],
  [`s/${v('attributes.sensors')}/x/${v('attributes.sensors')}`, 's/light/x/light', true],
  [`s/${v('attributes.sensors')}/x/${v('attributes.sensors')}`, 's/light/x/motion', false],
  [`s/${v('attributes.some')}`, 's/ok', true],
  [`s/${v('attributes.some')}`, 's/a/b', false],
  [`s/${v('attributes.none')}`, 's/', false],
]
for (const [template, topicName, expected] of matching)
  test(`the template ${template} ${expected ? 'matches' : 'does not match'} the topic ${topicName}`, () =>
    assert.equal(covers(template, topicName), expected))

for (const name of ['attributes.missing', 'attributes.odd', 'attributes.wild', 'attributes.empty'])
  test(`a template with ${v(name)} does not apply where the value is missing or fits in no segment`, () =>
    assert.equal(of(`a/${v(name)}`), undefined))

test('an authentication name that begins with $ opens no reserved topic', () => {
  const facts = { authenticationName: '$SYS', attributes: {} }
  assert.equal(covers(`${v('authenticationName')}/x`, '$SYS/x', facts), false)
})

const covering: readonly (readonly [string, string, boolean])[] = [
  ['areas/+/machines/#', 'areas/a1/machines/m1', true],
  ['areas/+/machines/#', 'areas/+/machines/+', true],
  ['areas/+/machines/#', 'areas/a1/machines/#', true],
  ['areas/+/machines/#', 'areas/a1/machines', true],
  ['areas/+/machines/#', 'areas/#', false],
  ['a/+', 'a/#', false],
  ['a/+', 'a/+', true],
  ['a/b', 'a/+', false],
  ['a/b', '#', false],
  ['#', '#', true],
  ['#', '+/a', true],
  ['#', '$SYS/#', false],
  [`machines/${v('authenticationName')}/#`, 'machines/Machine1/#', true],
  [`machines/${v('authenticationName')}/#`, 'machines/+/#', false],
  [`s/${v('attributes.sensors')}`, 's/+', false],
  [`s/${v('attributes.sensors')}`, 's/light', true],
]
for (const [template, topicFilter, expected] of covering)
  test(`the template ${template} ${expected ? 'covers' : 'does not cover'} the filter ${topicFilter}`, () =>
    assert.equal(covers(template, topicFilter), expected))

test('whatever a covered filter matches, the template matches too', () => {
  const parts = ['a', 'b', '+']
  const names: string[] = []
  const filters: string[] = []
  const grow = (words: readonly string[], found: string[], prefix: string, depth: number) => {
    for (const word of words) {
      const text = prefix === '' ? word : `${prefix}/${word}`
      found.push(text)
      if (depth > 1 && word !== '#') grow(words, found, text, depth - 1)
    }
  }
  grow(['a', 'b', ''], names, '', 3)
  grow([...parts, '#'], filters, '', 3)
  for (const template of filters)
    for (const filter of filters)
      if (covers(template, filter))
        for (const name of names)
          if (covers(filter, name)) assert.ok(covers(template, name), `${template} ${filter} ${name}`)
})

const faults: readonly (readonly [string, string])[] = [
  ['', 'expected a topic template at character 1, got nothing'],
  ['a/#/b', "expected '#' as the last segment only at character 3, got '#' before another segment"],
  ['a/b+', "expected a wildcard alone in its segment, and no U+0000 at character 4, got '+'"],
  ['a/b\0', 'expected a wildcard alone in its segment, and no U+0000 at character 4, got U+0000'],
  [
    '$share/g/a',
    "expected a topic template that does not begin with '$', which is reserved at character 1, got '$share'",
  ],
  ['1/2/3/4/5/6/7/8/9', 'expected a topic template of at most 8 segments at character 1, got 9 segments'],
  ['x'.repeat(257), 'expected a topic template of at most 256 bytes at character 1, got 257 bytes'],
]
for (const [template, message] of faults)
  test(`the template '${template.slice(0, 20)}' is refused: ${message}`, () =>
    assert.throws(
      () => compileTopicTemplate(template, azureTemplateLimits),
      (error) => error instanceof SyntaxFault && error.message === message,
    ))

for (const text of [
  '${client.name}',
  '${client.attributes.}',
  '${client.attributes.a-b}',
  '${client',
  '${a}',
  v('authenticationName|a+'),
])
  test(`the template a/${text} is refused`, () =>
    assert.throws(() => compileTopicTemplate(`a/${text}`, azureTemplateLimits), /at character/))

test('a template of exactly 256 bytes and 8 segments is taken', () => {
  compileTopicTemplate('x'.repeat(256), azureTemplateLimits)
  compileTopicTemplate('1/2/3/4/5/6/7/8', azureTemplateLimits)
})

test('whatever stands in a template, it is read or refused with a place in it', () => {
  const random = createRandom(8)
  const words = [
    v('authenticationName'),
    v('attributes.sensors|.x'),
    '$',
    '{',
    '}',
    '|',
    '/',
    '+',
    '#',
    'a',
    '\0',
    '💥',
  ]
  for (let n = 0; n < 20_000; n++) {
    const text = Array.from({ length: random.below(8) }, () => words[random.below(words.length)]).join('')
    try {
      compileTopicTemplate(text, azureTemplateLimits).forClient(client)?.covers(['a', '+', '#'])
    } catch (error) {
      assert.ok(error instanceof SyntaxFault, text)
      assert.ok(error.position >= 1 && error.position <= text.length + 1, text)
    }
  }
})
