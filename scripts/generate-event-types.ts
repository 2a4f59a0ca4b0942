import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Correction, EventSource, EventType } from '../src/sources/event-source.ts'
import { exampleTopic } from '../src/sources/example.ts'
import { sources } from '../src/sources/index.ts'

/*
 * Makes `src/sources/generated/`: for every event type on the shelf a JSON Schema of its data, and an example. They
 * are drawn from the models of the official client, corrected by what the shelf knows better.
 *
 *   node scripts/generate-event-types.ts
 *
 * The package is a development dependency: the server reads what this wrote.
 */

const packageRoot = new URL('../node_modules/@azure/eventgrid/', import.meta.url)
const models = new URL('dist/esm/generated/models/', packageRoot)

/** The part of the client's mappers that says what a value is. */
interface MapperType {
  readonly name: string
  readonly className?: string
  readonly allowedValues?: readonly string[]
  readonly element?: { readonly type: MapperType }
  readonly value?: { readonly type: MapperType }
  readonly modelProperties?: Readonly<Record<string, Member>>
  readonly uberParent?: string
}

interface Member {
  readonly serializedName: string
  readonly required?: boolean
  readonly type: MapperType
}

type JsonSchema = Readonly<Record<string, unknown>>

interface Interface {
  readonly description: string
  readonly parent: string | undefined
  readonly members: ReadonlyMap<string, { readonly description: string; readonly type: string }>
}

const mappers = (await import(new URL('mappers.js', models).href)) as Readonly<
  Record<string, { readonly type: MapperType }>
>
const knownValues = (await import(new URL('index.js', models).href)) as Readonly<
  Record<string, Readonly<Record<string, string>>>
>
const interfaces = readInterfaces(readFileSync(new URL('index.d.ts', models), 'utf8'))
const modelNames = readModelNames(readFileSync(new URL('dist/esm/predicates.d.ts', packageRoot), 'utf8'))
const { version } = JSON.parse(readFileSync(new URL('package.json', packageRoot), 'utf8')) as {
  readonly version: string
}

/** Every file of `generated/` under its name, as it must be. */
export function generateEventTypes(): ReadonlyMap<string, string> {
  const services = Map.groupBy(sources, ({ service }) => service)
  const files = new Map<string, string>()
  for (const [service, group] of services) files.set(`${service}.json`, generateService(group))
  return files
}

function generateService(group: readonly EventSource[]): string {
  const definitions: Record<string, JsonSchema> = {}
  const eventTypes: Record<string, { readonly schema: JsonSchema; readonly example: unknown }> = {}
  for (const source of group)
    for (const eventType of source.eventTypes) {
      if (eventTypes[eventType.name]) continue
      const model = modelOf(eventType.name)
      const corrections = source.documented.corrections ?? {}
      eventTypes[eventType.name] = {
        schema: schemaOf(model, corrections, definitions),
        example: exampleOf(source, eventType, model),
      }
    }
  const comment = `Made by scripts/generate-event-types.ts from @azure/eventgrid ${version}: edit the shelf instead.`
  const sorted = Object.fromEntries(Object.entries(definitions).toSorted(([a], [b]) => (a < b ? -1 : 1)))
  return `${JSON.stringify({ $comment: comment, $defs: sorted, eventTypes }, null, 2)}\n`
}

/** The map of the client has some names misspelt and lacks others: what the models say of themselves comes first. */
function modelOf(eventType: string): string {
  for (const [name, { description }] of interfaces)
    if (new RegExp(`for an? ${eventType.replaceAll('.', '\\.')} event\\.?$`).test(description)) return name
  const name = modelNames.get(eventType)
  if (name === undefined) throw new Error(`@azure/eventgrid ${version} has no model for ${eventType}.`)
  return name
}

// ------------------------------------------------------------ schemas

type Corrections = Readonly<Record<string, Correction>>

/**
 * A model as an object of JSON Schema. What is not required may be null, too: services write null for what they do
 * not have. Collections are never required, whatever the model says, for services leave out empty ones.
 */
function schemaOf(
  model: string,
  corrections: Corrections,
  definitions: Record<string, JsonSchema>,
): JsonSchema {
  const { optional = [], types = {}, also = {}, names = {} } = corrections[model] ?? {}
  const required: string[] = []
  const properties: Record<string, JsonSchema> = {}
  for (const [key, member] of membersOf(model)) {
    const name = names[wireName(member)] ?? wireName(member)
    const isRequired = member.required === true && isScalar(member.type) && !optional.includes(name)
    if (isRequired) required.push(name)
    const { description, type } = documentationOf(model, key)
    const own = types[name]
    const shape = own
      ? typed(own)
      : withAlternatives(valueSchema(member.type, corrections, definitions), [
          ...(also[name] ?? []),
          ...(isRequired ? [] : ['null']),
        ])
    const examples = Object.values(knownValues[`Known${type}`] ?? {})
    properties[name] = {
      ...shape,
      ...(description !== '' && { description }),
      ...(examples.length > 0 && { examples }),
    }
  }
  const { description = '' } = interfaces.get(model) ?? {}
  return {
    type: 'object',
    ...(description !== '' && { description }),
    ...(required.length > 0 && { required }),
    properties,
  }
}

const typed = (types: readonly string[]): JsonSchema =>
  types.length === 0 ? {} : { type: types.length === 1 ? types[0] : types }

function valueSchema(
  type: MapperType,
  corrections: Corrections,
  definitions: Record<string, JsonSchema>,
): JsonSchema {
  switch (type.name) {
    case 'Composite': {
      const model = type.className as string
      if (!(model in definitions)) {
        // Put there first: a model may refer to itself.
        definitions[model] = {}
        definitions[model] = schemaOf(model, corrections, definitions)
      }
      return { $ref: `#/$defs/${model}` }
    }
    case 'Sequence':
      return {
        type: 'array',
        items: valueSchema((type.element as { type: MapperType }).type, corrections, definitions),
      }
    case 'Dictionary': {
      const value = (type.value as { type: MapperType }).type
      // Values of unknown type are said to be dictionaries; the samples have strings there.
      if (value.name === 'any' || value.name === 'Dictionary') return { type: 'object' }
      return {
        type: 'object',
        additionalProperties: withAlternatives(valueSchema(value, corrections, definitions), ['null']),
      }
    }
    case 'Enum':
      return { type: 'string', enum: type.allowedValues }
    case 'String':
    case 'DateTime':
      return { type: 'string' }
    case 'Number':
      return { type: 'number' }
    case 'Boolean':
      return { type: 'boolean' }
    default:
      throw new Error(`A mapper has the unknown type ${type.name}.`)
  }
}

/** The value, or one of other types; what is said of objects says nothing of those. */
function withAlternatives(schema: JsonSchema, types: readonly string[]): JsonSchema {
  if (types.length === 0) return schema
  if ('$ref' in schema) return { anyOf: [schema, typed(types)] }
  const { type, enum: values, ...rest } = schema
  const isNullable = types.includes('null')
  return {
    type: [type, ...types],
    ...(values !== undefined && { enum: isNullable ? [...(values as string[]), null] : values }),
    ...rest,
  }
}

const isScalar = ({ name }: MapperType) => !['Composite', 'Sequence', 'Dictionary'].includes(name)

const membersOf = (model: string): readonly (readonly [string, Member])[] => {
  const mapper = mappers[model]
  if (!mapper) throw new Error(`@azure/eventgrid ${version} has no mapper ${model}.`)
  return Object.entries(mapper.type.modelProperties ?? {})
}

/** In mappers a dot within a name is escaped. */
const wireName = ({ serializedName }: Member) => serializedName.replaceAll('\\.', '.')

function documentationOf(
  model: string,
  key: string,
): { readonly description: string; readonly type: string } {
  for (let at = interfaces.get(model); at; at = at.parent ? interfaces.get(at.parent) : undefined) {
    const found = at.members.get(key)
    if (found) return found
  }
  return { description: '', type: '' }
}

// ------------------------------------------------------------ examples

function exampleOf(source: EventSource, { name, exampleSubject }: EventType, model: string): unknown {
  const { examples = {}, samples = {} } = source.documented
  const shortName = Object.keys(examples).find((each) => name.endsWith(`.${each}`))
  if (shortName !== undefined) return examples[shortName]
  const topic = exampleTopic(source)
  const filled = (value: unknown): unknown =>
    typeof value === 'string' ? value.replace('{topic}', topic).replace('{subject}', exampleSubject) : value
  return makeExample(model, (member) => (member in samples ? filled(samples[member]) : undefined))
}

/** What is required, and whatever the shelf has a sample of. */
function makeExample(model: string, sampleOf: (name: string) => unknown): Record<string, unknown> {
  const example: Record<string, unknown> = {}
  for (const [key, member] of membersOf(model)) {
    const name = wireName(member)
    const sample =
      sampleOf(name) ?? Object.values(knownValues[`Known${documentationOf(model, key).type}`] ?? {})[0]
    const value = fits(sample, member.type) ? sample : madeUp(name, member.type, sampleOf)
    if (value !== undefined) example[name] = value
  }
  return example
}

/** Samples go by name alone: `name` may be a string here and an object there. */
function fits(sample: unknown, { name }: MapperType): boolean {
  if (sample === undefined) return false
  if (name === 'Sequence') return Array.isArray(sample)
  if (name === 'Composite' || name === 'Dictionary')
    return typeof sample === 'object' && !Array.isArray(sample)
  return typeof sample === (name === 'Number' ? 'number' : name === 'Boolean' ? 'boolean' : 'string')
}

function madeUp(name: string, type: MapperType, sampleOf: (name: string) => unknown): unknown {
  switch (type.name) {
    case 'Composite':
      return makeExample(type.className as string, sampleOf)
    case 'Sequence':
      return []
    case 'Dictionary':
      return {}
    case 'Enum':
      return type.allowedValues?.[0]
    case 'Number':
      return 1
    case 'Boolean':
      return true
    default:
      if (/(time|timestamp|on|date)$/i.test(name)) return '2024-05-01T12:00:00.0000000Z'
      if (/id$/i.test(name)) return '0f8fad5b-d9cb-469f-a165-70867728950e'
      if (/ur[il]$/i.test(name)) return 'https://contoso.example/'
      return 'contoso'
  }
}

// ------------------------------------------------------------ the package's declarations

/** Interfaces with what their comments say. The file is machine-made: one member a line, each with its comment. */
function readInterfaces(text: string): ReadonlyMap<string, Interface> {
  const found = new Map<string, Interface>()
  const pattern =
    /(?:\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\n)?export interface (\w+)(?: extends (\w+))?[^{]*\{\n([\s\S]*?)^\}/gm
  for (const [, comment = '', name = '', parent, body = ''] of text.matchAll(pattern)) {
    const members = new Map<string, { description: string; type: string }>()
    const member = /(?:\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\n)?^ {4}(?:readonly )?(\w+)\??: ([^;]+);$/gm
    for (const [, description = '', key = '', type = ''] of body.matchAll(member))
      members.set(key, { description: plain(description), type })
    found.set(name, { description: plain(comment), parent, members })
  }
  return found
}

/** Event types and the models of their data, as `isSystemEvent` tells them apart. */
function readModelNames(text: string): ReadonlyMap<string, string> {
  return new Map(
    [...text.matchAll(/^ {4}"([^"]+)": (\w+);/gm)].map(([, name = '', model = '']) => [name, model]),
  )
}

/** A comment's text in one line. */
function plain(comment: string): string {
  return comment
    .replaceAll(/^\s*\*/gm, '')
    .replaceAll(/\s+/g, ' ')
    .trim()
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const directory = new URL('../src/sources/generated/', import.meta.url)
  for (const [name, text] of generateEventTypes()) writeFileSync(new URL(name, directory), text)
}
