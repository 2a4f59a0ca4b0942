import type { EpochMs } from '../base/clock.ts'
import { compileQuery } from '../hubquery/query.ts'
import { QueryError, tokensOf } from '../hubquery/tokens.ts'
import { isObject, type WireObject } from '../wire/shape.ts'
import { encodeEtag } from './encode.ts'
import { HubError, invalid } from './errors.ts'
import { checkSection } from './twin.ts'

/*
 * Configurations of automatic device management: what is laid on the desired properties of every device, or module, that
 * a condition matches.
 *
 * Source: learn.microsoft.com/azure/iot-hub/iot-hub-automatic-device-management
 */

export interface StoredConfiguration {
  readonly id: string
  readonly schemaVersion: string
  readonly labels: WireObject
  readonly content: ConfigurationContent
  readonly targetCondition: string
  readonly priority: number
  readonly metrics: Readonly<Record<string, string>>
  readonly etag: number
  readonly createdAt: EpochMs
  /** Tells apart those of one moment. */
  readonly order: number
  readonly changedAt: EpochMs
}

/** Paths such as `properties.desired.fan`, and what is to be there. */
export interface ConfigurationContent {
  readonly deviceContent: WireObject | undefined
  readonly moduleContent: WireObject | undefined
}

/** What a request says of a configuration, checked. Undefined: it says nothing. */
export interface ConfigurationRequest {
  readonly schemaVersion: string | undefined
  readonly labels: WireObject | undefined
  readonly content: ConfigurationContent | undefined
  readonly targetCondition: string | undefined
  readonly priority: number | undefined
  readonly metrics: Readonly<Record<string, string>> | undefined
}

/** One value that a configuration wants, below the desired properties. */
export interface Setting {
  readonly path: readonly string[]
  readonly value: unknown
}

/** Azure's, and the hub's own for what Azure does not say. */
export const configurationsMost = { free: 10, standard: 100 }
const metricsMost = 20
const labelsMost = 100
const contentBytesMost = 128 * 1024

const ids = /^[a-z0-9\-:+%_#*?!(),=@;$']{1,128}$/

export function checkConfigurationId(id: string): string {
  if (ids.test(id)) return id
  throw invalid(
    'The id',
    "1 to 128 lower-case letters, digits and characters of - : + % _ # * ? ! ( ) , = @ ; $ '",
    id,
  )
}

export function decodeConfiguration(body: unknown, id: string): ConfigurationRequest {
  if (!isObject(body)) throw invalid('The body', 'an object', body)
  if (body.id != null && body.id !== id) throw invalid('id', `'${id}', as in the path`, body.id)
  const { schemaVersion, labels, content, targetCondition, priority, metrics } = body
  if (
    priority != null &&
    !(Number.isInteger(priority) && Number(priority) >= 0 && Number(priority) <= 0x7fffffff)
  )
    throw invalid('priority', 'a whole number from 0', priority)
  return {
    schemaVersion: schemaVersion == null ? undefined : text(schemaVersion, 'schemaVersion', 16),
    labels: labels == null ? undefined : decodeLabels(labels),
    content: content == null ? undefined : decodeContent(content),
    targetCondition: targetCondition == null ? undefined : text(targetCondition, 'targetCondition', 8_192),
    priority: priority == null ? undefined : Number(priority),
    metrics: metrics == null ? undefined : decodeMetrics(metrics),
  }
}

function decodeLabels(value: unknown): WireObject {
  if (!isObject(value) || Object.keys(value).length > labelsMost)
    throw invalid('labels', `an object of at most ${labelsMost} strings`, value)
  for (const [name, label] of Object.entries(value)) text(label, `labels.${name}`, 1_024)
  return value
}

/** What is not there is the same as null, and as nothing at all. */
function decodeContent(value: unknown): ConfigurationContent {
  if (!isObject(value)) throw badContent('The content must be an object.')
  const { deviceContent, moduleContent, modulesContent, ...unknown } = value
  const [other] = Object.entries(unknown).find(([, given]) => given != null) ?? []
  if (other !== undefined)
    throw badContent(`The content has deviceContent or moduleContent; '${other}' is none of them.`)
  if (hasMembers(modulesContent))
    throw badContent(
      'A configuration with modulesContent would be an automatic deployment of IoT Edge, which is not supported: ' +
        'use applyConfigurationContent for each device.',
    )
  const content = {
    deviceContent: decodePaths(deviceContent, 'deviceContent'),
    moduleContent: decodePaths(moduleContent, 'moduleContent'),
  }
  if (content.deviceContent && content.moduleContent)
    throw badContent('A configuration has deviceContent or moduleContent, not both.')
  return content
}

const hasMembers = (value: unknown): boolean => isObject(value) && Object.keys(value).length > 0

function decodePaths(value: unknown, name: string): WireObject | undefined {
  if (value == null) return undefined
  if (!isObject(value)) throw badContent(`${name} must be an object of paths and values.`)
  settingsOf(value, name)
  return Object.keys(value).length === 0 ? undefined : value
}

/** Throws for a path that is not one of desired properties, and for a value that they may not hold. */
export function settingsOf(content: WireObject, name: string): readonly Setting[] {
  if (Buffer.byteLength(JSON.stringify(content)) > contentBytesMost)
    throw badContent(`${name} has at most ${contentBytesMost} bytes.`)
  return Object.entries(content).map(([key, value]) => {
    const [properties, desired, ...path] = key.split('.')
    if (properties !== 'properties' || desired !== 'desired')
      throw badContent(`${name}: '${key}' must begin with 'properties.desired'.`)
    if (path.length === 0 && !isObject(value)) throw badContent(`${name}: '${key}' must be an object.`)
    if (path.some((part) => part === '' || part.startsWith('$')))
      throw badContent(`${name}: '${key}' has a name that is empty or begins with $.`)
    try {
      checkSection(
        path.reduceRight<unknown>((inner, part) => ({ [part]: inner }), value),
        `${name}.${key}`,
      )
    } catch (error) {
      if (error instanceof HubError) throw badContent(error.message)
      throw error
    }
    return { path, value }
  })
}

const badContent = (message: string) => new HubError('InvalidConfigurationContent', message)

function decodeMetrics(value: unknown): Readonly<Record<string, string>> {
  if (!isObject(value)) throw invalid('metrics', 'an object', value)
  return decodeQueries(value.queries ?? {}, 'metrics.queries')
}

export function decodeQueries(value: unknown, path: string): Readonly<Record<string, string>> {
  if (!isObject(value)) throw invalid(path, 'an object', value)
  const queries = Object.entries(value).map(
    ([name, query]) => [name, text(query, `${path}.${name}`, 8_192)] as const,
  )
  if (queries.length > metricsMost) throw invalid(path, `at most ${metricsMost} queries`, queries.length)
  return Object.fromEntries(queries)
}

function text(value: unknown, name: string, most: number): string {
  if (typeof value === 'string' && value.length <= most) return value
  throw invalid(name, `a string of at most ${most} characters`, value)
}

// ---------------------------------------------------------------- conditions and queries

export interface Target {
  readonly kind: 'device' | 'module'
  matches(twin: object): boolean
}

/** What a condition may ask: what no configuration changes, and what is written when it changes. */
const askable = new Set([
  'deviceid',
  'moduleid',
  'tags',
  'capabilities',
  'modelid',
  'status',
  'devicescope',
  'authenticationtype',
])
const ofModules = /^\s*from\s+devices\.modules\s+where\s+/i
const ofDevices = /^\s*from\s+devices\s+where\s+/i

/** Why that is no target condition; undefined: it is one. */
export function faultOfTarget(condition: string): string | undefined {
  try {
    compileTarget(condition)
    return undefined
  } catch (error) {
    if (error instanceof HubError) return error.message
    throw error
  }
}

/** A condition that is empty matches nothing; a star matches every device. */
export function compileTarget(condition: string): Target {
  const kind = ofModules.test(condition) ? 'module' : 'device'
  const where = condition.replace(kind === 'module' ? ofModules : ofDevices, '').trim()
  if (where === '') return { kind, matches: () => false }
  if (where === '*') return { kind, matches: () => true }
  const from = kind === 'module' ? 'devices.modules' : 'devices'
  try {
    checkRoots(where, from)
    const query = compileQuery(`SELECT * FROM ${from} WHERE ${where}`)
    return { kind, matches: (twin) => query.matches(twin) }
  } catch (error) {
    if (!(error instanceof QueryError)) throw error
    throw new HubError('InvalidConfigurationTargetCondition', error.message)
  }
}

function checkRoots(where: string, from: string): void {
  const tokens = tokensOf(where)
  for (const [n, { kind, text: word }] of tokens.entries()) {
    const isName = kind === 'word' || kind === 'bracketed'
    const following = tokens.slice(n + 1, n + 4).map(({ text: next }) => next)
    const isWithin = n > 0 && tokens[n - 1]?.text === '.' && tokens[n - 1]?.kind === 'sign'
    if (!isName || isWithin || following[0] === '(' || keywords.has(word.toUpperCase())) continue
    let root = word.toLowerCase()
    let at = n
    if (root === 'devices') {
      at += from === 'devices.modules' ? 4 : 2
      root = tokens[at]?.text.toLowerCase() ?? ''
    }
    if (askable.has(root)) continue
    if (root === 'properties' && tokens[at + 2]?.text.toLowerCase() === 'reported') continue
    throw new QueryError(
      `A target condition asks of tags, properties.reported, deviceId, moduleId, capabilities, modelId, status, ` +
        `deviceScope and authenticationType; '${word}' is none of them.`,
    )
  }
}

const keywords = new Set(['AND', 'OR', 'NOT', 'IN', 'NIN', 'TRUE', 'FALSE', 'NULL', 'UNDEFINED'])

/** Why that is no query of a metric; undefined: it is one. */
export function faultOfMetric(query: string): string | undefined {
  try {
    const { from } = compileQuery(query)
    return from === 'devices.jobs' ? 'A metric asks of devices or devices.modules.' : undefined
  } catch (error) {
    if (error instanceof QueryError) return error.message
    throw error
  }
}

// ---------------------------------------------------------------- what clients see

export interface ConfigurationCounts {
  readonly targeted: number
  readonly applied: number
}

export function encodeConfiguration(
  configuration: StoredConfiguration,
  { targeted, applied }: ConfigurationCounts,
  results: Readonly<Record<string, number>>,
): WireObject {
  const { id, content, targetCondition } = configuration
  const moment = (at: EpochMs) => new Date(at).toISOString()
  const { kind } = compileTarget(targetCondition)
  const select =
    kind === 'device' ? 'select deviceId from devices' : 'select deviceId, moduleId from devices.modules'
  const where = targetCondition.replace(ofModules, '').replace(ofDevices, '').trim()
  return {
    id,
    schemaVersion: configuration.schemaVersion,
    labels: configuration.labels,
    content: {
      deviceContent: content.deviceContent ?? null,
      modulesContent: null,
      moduleContent: content.moduleContent ?? null,
    },
    targetCondition,
    createdTimeUtc: moment(configuration.createdAt),
    lastUpdatedTimeUtc: moment(configuration.changedAt),
    priority: configuration.priority,
    systemMetrics: {
      results: { targetedCount: targeted, appliedCount: applied },
      queries: {
        targetedCount: where === '*' ? select : `${select} where ${where === '' ? 'false' : where}`,
        appliedCount: `${select} where configurations.[[${id}]].status = 'Applied'`,
      },
    },
    metrics: { results, queries: configuration.metrics },
    etag: encodeEtag(configuration.etag),
  }
}
