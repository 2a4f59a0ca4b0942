import { ExpressionFault } from '../errors.ts'
import { type Arguments } from '../language/arguments.ts'
import { templateFunction } from '../language/template-function.ts'
import { isArray, type ObjectValue, tooLarge, type Value } from '../language/value.ts'
import { templateLimits } from '../limits.ts'
import { nameGuid, uniqueString } from '../unique-string.ts'
import { formatText } from './format.ts'

/*
 * Source: learn.microsoft.com/azure/azure-resource-manager/templates/template-functions-string
 */

const any = Number.POSITIVE_INFINITY

export const stringFunctions = [
  templateFunction('base64', 1, (args) => encode(args.string(0), 'base64'), [
    ["base64('one, two, three')", 'b25lLCB0d28sIHRocmVl'],
  ]),
  templateFunction('base64ToJson', 1, (args) => parseJson(decodeBase64(args), args), [
    ["base64ToJson('eyJvbmUiOiAiYSIsICJ0d28iOiAiYiJ9')", { one: 'a', two: 'b' }],
  ]),
  templateFunction('base64ToString', 1, (args) => decodeBase64(args), [
    ["base64ToString('b25lLCB0d28sIHRocmVl')", 'one, two, three'],
  ]),
  templateFunction('concat', [1, any], concat, [
    ["concat('prefix', '-', 5)", 'prefix-5'],
    ["concat(createArray('1-1', '1-2'), createArray('2-1'))", ['1-1', '1-2', '2-1']],
  ]),
  templateFunction(
    'dataUri',
    1,
    (args) => `data:text/plain;charset=utf8;base64,${encode(args.string(0), 'base64')}`,
    [["dataUri('Hello')", 'data:text/plain;charset=utf8;base64,SGVsbG8=']],
  ),
  templateFunction('dataUriToString', 1, dataUriToString, [
    ["dataUriToString('data:;base64,SGVsbG8sIFdvcmxkIQ==')", 'Hello, World!'],
    ["dataUriToString('data:,a%20b')", 'a b'],
  ]),
  templateFunction('endsWith', 2, (args) => lower(args, 0).endsWith(lower(args, 1)), [
    ["endsWith('abcdef', 'EF')", true],
    ["endsWith('abcdef', 'e')", false],
  ]),
  templateFunction('format', [1, any], formatText, [
    [
      "format('{0}, {1}. Formatted number: {2:N0}', 'Hello', 'User', 8175133)",
      'Hello, User. Formatted number: 8,175,133',
    ],
    ["format('{{{0,4}|{0,-4}}}', 'ab')", '{  ab|ab  }'],
    ["format('{0:D4} {1:X2} {2:000.00} {3}', 42, 10, 7, true())", '0042 0A 007.00 True'],
  ]),
  templateFunction('guid', [1, any], (args) => nameGuid(texts(args)), [
    ["guid('a', 'b', 'c')", 'a98fa280-e03f-5afa-8d8e-92d0a9c201e8'],
  ]),
  templateFunction('join', 2, join, [["join(createArray('one', 'two', 3), ',')", 'one,two,3']]),
  templateFunction('json', 1, (args) => parseJson(args.string(0), args), [
    [`json('{"a": "b", "c": [1, 0.5]}')`, { a: 'b', c: [1, 0.5] }],
    ["json('null')", null],
  ]),
  templateFunction(
    'newGuid',
    0,
    (args) => {
      if (!args.environment.isParameterDefault) throw args.notExpectedHere()
      return args.environment.surroundings.newGuid()
    },
    [['newGuid()', '00000000-0000-4000-8000-000000000001']],
  ),
  templateFunction('padLeft', [2, 3], padLeft, [
    ["padLeft('123', 10, '0')", '0000000123'],
    ['padLeft(7, 3)', '  7'],
  ]),
  templateFunction('replace', 3, replace, [
    ["replace('123-123-1234', '-', '')", '1231231234'],
    ["replace('123-123-1234', '1234', 'xxxx')", '123-123-xxxx'],
  ]),
  templateFunction('split', 2, split, [
    ["split('one,two,three', ',')", ['one', 'two', 'three']],
    ["split('one;two,three', createArray(',', ';'))", ['one', 'two', 'three']],
  ]),
  templateFunction('startsWith', 2, (args) => lower(args, 0).startsWith(lower(args, 1)), [
    ["startsWith('abcdef', 'AB')", true],
    ["startsWith('abcdef', 'b')", false],
  ]),
  templateFunction('string', 1, (args) => textOf(args.value(0)), [
    ["string(createArray('a', 1, createObject('b', true())))", '["a",1,{"b":true}]'],
    ['string(5)', '5'],
    ['string(true())', 'True'],
  ]),
  templateFunction('substring', [2, 3], substring, [
    ["substring('one two three', 4, 3)", 'two'],
    ["substring('one two three', 4)", 'two three'],
  ]),
  templateFunction('toLower', 1, (args) => args.string(0).toLowerCase(), [["toLower('One TWO')", 'one two']]),
  templateFunction('toUpper', 1, (args) => args.string(0).toUpperCase(), [["toUpper('One two')", 'ONE TWO']]),
  templateFunction('trim', 1, (args) => args.string(0).trim(), [
    ["trim('    one two three   ')", 'one two three'],
  ]),
  templateFunction('uniqueString', [1, any], (args) => uniqueString(texts(args)), [
    ["uniqueString('test')", 'rbgf3xv4ufgzg'],
    ["uniqueString('hello', 'world')", 'a7wkljktk6wne'],
    ["uniqueString('abc')", 'cgtzqvhu4i23s'],
    ["uniqueString('foo', 'bar', 'baz')", 'xzi4ioaxtmth4'],
    [
      "uniqueString('/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/my-rg')",
      'bmg7c6xu4tw46',
    ],
    [
      "uniqueString('/subscriptions/31e9f9a0-9fd2-4294-a0a3-0101246d9700/resourceGroups/rg-modm201-20230913120256/providers/Microsoft.Compute/virtualMachines/bobjacmodm201')",
      'yvjxno3je5on2',
    ],
    ["uniqueString('a')", 'eveiun73364hy'],
    ["uniqueString('12345678')", 'bgwkv3ufmboyc'],
    ["uniqueString('123456789012345')", 'u2d2n63ta2ztw'],
    ["uniqueString('')", 'aaaaaaaaaaaaa'],
  ]),
  templateFunction('uri', 2, uri, [
    ["uri('http://contoso.org/firstpath', 'myscript.sh')", 'http://contoso.org/myscript.sh'],
    [
      "uri('http://contoso.org/firstpath/azuredeploy.json', '/myscript.sh')",
      'http://contoso.org/myscript.sh',
    ],
    [
      "uri('http://contoso.org/firstpath/', 'nested/azuredeploy.json')",
      'http://contoso.org/firstpath/nested/azuredeploy.json',
    ],
  ]),
  templateFunction('uriComponent', 1, (args) => escapeUri(args.string(0), args), [
    ["uriComponent('http://contoso.org/a (b)')", 'http%3A%2F%2Fcontoso.org%2Fa%20%28b%29'],
  ]),
  templateFunction('uriComponentToString', 1, (args) => unescapeUri(args.string(0), args), [
    ["uriComponentToString('http%3A%2F%2Fcontoso.org%2Fa')", 'http://contoso.org/a'],
  ]),
] as const

const lower = (args: Arguments, index: number) => args.string(index).toLowerCase()
const texts = (args: Arguments) => args.all().map((_, index) => args.text(index))

/** A value as a text: objects and arrays as JSON. */
export function textOf(value: Value): string {
  if (typeof value === 'string') return value
  if (typeof value === 'boolean') return value ? 'True' : 'False'
  return value === null ? '' : JSON.stringify(value)
}

function encode(text: string, encoding: 'base64'): string {
  return Buffer.from(text, 'utf8').toString(encoding)
}

function decodeBase64(args: Arguments): string {
  const text = args.string(0)
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text))
    throw args.fault('argument 1 must be valid base64')
  return Buffer.from(text, 'base64').toString('utf8')
}

function parseJson(text: string, args: Arguments): Value {
  try {
    return JSON.parse(text) as Value
  } catch {
    throw args.fault('argument 1 must be valid JSON')
  }
}

function concat(args: Arguments): Value {
  if (isArray(args.value(0))) {
    const arrays = args.all().map((_, index) => args.array(index))
    checkItems(arrays.reduce((sum, each) => sum + each.length, 0))
    return arrays.flat(1)
  }
  const parts = texts(args)
  checkLength(parts.reduce((sum, each) => sum + each.length, 0))
  return parts.join('')
}

/** Refuses a text before it is made. */
function checkLength(characters: number): void {
  if (characters > templateLimits.stringCharacters)
    throw tooLarge('A string', templateLimits.stringCharacters, 'characters')
}

/** Refuses an array before it is made. */
export function checkItems(items: number): void {
  if (items > templateLimits.arrayItems) throw tooLarge('An array', templateLimits.arrayItems, 'items')
}

function dataUriToString(args: Arguments): string {
  const match = /^data:([^,]*),(.*)$/is.exec(args.string(0))
  if (!match) throw args.fault("argument 1 must be a data URI, such as 'data:;base64,SGVsbG8='")
  const [, kind = '', content = ''] = match
  return /;base64$/i.test(kind) ? Buffer.from(content, 'base64').toString('utf8') : unescapeUri(content, args)
}

function join(args: Arguments): string {
  const items = args.array(0).map(textOf)
  const delimiter = args.string(1)
  checkLength(items.reduce((sum, each) => sum + each.length + delimiter.length, 0))
  return items.join(delimiter)
}

function padLeft(args: Arguments): string {
  const text = args.text(0)
  const length = args.integer(1)
  const pad = args.optionalString(2) ?? ' '
  if (pad.length !== 1) throw args.fault('argument 3 must be one character')
  if (length < 0) throw args.fault('argument 2 must not be negative')
  checkLength(length)
  return text.padStart(length, pad)
}

function replace(args: Arguments): string {
  const text = args.string(0)
  const old = args.string(1)
  if (old === '') throw args.fault('argument 2 must not be empty')
  const pieces = text.split(old)
  const by = args.string(2)
  checkLength(text.length + (pieces.length - 1) * (by.length - old.length))
  return pieces.join(by)
}

function split(args: Arguments): Value {
  const text = args.string(0)
  const by = args.value(1)
  const delimiters = isArray(by) ? by : [args.string(1)]
  let pieces: readonly string[] = [text]
  for (const delimiter of delimiters) {
    if (typeof delimiter !== 'string') throw args.wrongType(1, 'String or Array of String', by)
    if (delimiter !== '') pieces = pieces.flatMap((piece) => piece.split(delimiter))
    checkItems(pieces.length)
  }
  return pieces
}

function substring(args: Arguments): string {
  const text = args.string(0)
  const start = args.integer(1)
  const length = args.count > 2 ? args.integer(2) : text.length - start
  if (start < 0 || length < 0 || start + length > text.length)
    throw args.fault(
      `the start index and length must refer to a location within the string: index ${start} and length ${length} of ${text.length} characters`,
    )
  return text.slice(start, start + length)
}

function uri(args: Arguments): string {
  const base = URL.parse(args.string(0))
  if (!base) throw args.fault('argument 1 must be an absolute URI')
  const joined = URL.parse(args.string(1), base)
  if (!joined) throw args.fault('argument 2 must be a URI, absolute or relative')
  return joined.href
}

function escapeUri(text: string, args: Arguments): string {
  try {
    return encodeURIComponent(text).replaceAll(
      /[!'()*]/g,
      (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`,
    )
  } catch (error) {
    throw new ExpressionFault(args.fault('argument 1 must be well-formed Unicode').message, { cause: error })
  }
}

function unescapeUri(text: string, args: Arguments): string {
  try {
    return decodeURIComponent(text)
  } catch (error) {
    throw new ExpressionFault(args.fault('argument 1 must be a URI-encoded text').message, { cause: error })
  }
}

/** An object of these members, even one that is called `__proto__`. */
export const objectOf = (entries: Iterable<readonly [string, Value]>): ObjectValue =>
  Object.fromEntries(entries)
