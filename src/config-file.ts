import { readFileSync } from 'node:fs'
import { Type } from 'typebox'
import { Value } from 'typebox/value'
import { parse } from 'yaml'
import { suggestion } from './base/nearest.ts'
import { OperatorError } from './base/operator-error.ts'
import type { Connection } from './destinations/connections.ts'
import { limitTable } from './limits.ts'
import { type MqttFeatures, type MqttLimits, mqttFeatures, mqttLimitRanges } from './mqtt/limits.ts'

/*
 * The configuration file: text in, checked sections out. It is loaded only where there is a file, so that a
 * start without one does not pay for the parsers.
 */

const closed = { additionalProperties: false }
const text = Type.String({ minLength: 1 })
const list = Type.Array(text, { maxItems: 1_000 })

const sections = {
  auth: Type.Object(
    {
      administrators: Type.Optional(
        Type.Array(Type.Object({ name: text, key: Type.String({ minLength: 16 }) }, closed), {
          maxItems: 1_000,
        }),
      ),
      issuer: Type.Optional(text),
      audience: Type.Optional(Type.Union([text, list])),
      owners: Type.Optional(list),
      principals: Type.Optional(
        Type.Array(
          Type.Object(
            {
              name: text,
              clientId: text,
              clientSecret: Type.Optional(Type.String({ minLength: 16 })),
              certificate: Type.Optional(text),
              objectId: Type.Optional(text),
              administrator: Type.Optional(Type.Boolean()),
            },
            closed,
          ),
          { maxItems: 1_000 },
        ),
      ),
      managedIdentity: Type.Optional(
        Type.Object({ principal: Type.Optional(text), userAssigned: Type.Optional(Type.Boolean()) }, closed),
      ),
      issuers: Type.Optional(
        Type.Array(Type.Object({ issuer: text, audiences: Type.Optional(list) }, closed), { maxItems: 100 }),
      ),
      webhookTokens: Type.Optional(
        Type.Array(
          Type.Object({ tenantId: text, tokenEndpoint: text, clientId: text, clientSecret: text }, closed),
          { maxItems: 100 },
        ),
      ),
    },
    closed,
  ),
  connections: Type.Record(
    Type.String(),
    Type.Object(
      {
        connectionString: Type.Optional(text),
        url: Type.Optional(text),
        key: Type.Optional(text),
        queueMessageEncoding: Type.Optional(Type.Union([Type.Literal('base64'), Type.Literal('text')])),
      },
      closed,
    ),
  ),
  monitorAlerts: Type.Object({ url: text }, closed),
  blobServices: Type.Array(
    Type.Object(
      {
        storageAccount: text,
        port: Type.Integer({ minimum: 0, maximum: 65_535 }),
        tls: Type.Optional(Type.Boolean()),
        url: Type.Optional(text),
      },
      closed,
    ),
    { maxItems: 100 },
  ),
  limits: Type.Object(
    Object.fromEntries(
      Object.entries(limitTable).map(([name, { least, most }]) => [
        name,
        Type.Optional(Type.Integer({ minimum: least, maximum: most })),
      ]),
    ),
    closed,
  ),
  diagnostics: Type.Object(
    {
      directory: Type.Optional(text),
      categories: Type.Optional(Type.Array(text, { maxItems: 100 })),
      maxFileBytes: Type.Optional(Type.Integer({ minimum: 65_536, maximum: 1_073_741_824 })),
      files: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000 })),
    },
    closed,
  ),
  webhooks: Type.Object(
    {
      allowHttp: Type.Optional(Type.Boolean()),
      allowSelfSigned: Type.Optional(Type.Boolean()),
      allowPrivateAddresses: Type.Optional(Type.Boolean()),
      allowedHosts: Type.Optional(list),
    },
    closed,
  ),
  mqtt: Type.Object(
    {
      plaintext: Type.Optional(Type.Boolean()),
      proxyProtocol: Type.Optional(Type.Boolean()),
      httpsClientCertificates: Type.Optional(Type.Boolean()),
      connections: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000 })),
      refusedFilters: Type.Optional(list),
      limits: Type.Optional(
        Type.Object(
          Object.fromEntries(
            Object.entries(mqttLimitRanges).map(([name, { least, most }]) => [
              name,
              Type.Optional(Type.Integer({ minimum: least, maximum: most })),
            ]),
          ),
          closed,
        ),
      ),
      features: Type.Optional(
        Type.Object(
          Object.fromEntries(
            Object.entries(mqttFeatures.open).map(([name, value]) => [
              name,
              Type.Optional(
                typeof value === 'number' ? Type.Integer({ minimum: 1, maximum: 2 }) : Type.Boolean(),
              ),
            ]),
          ),
          closed,
        ),
      ),
    },
    closed,
  ),
  hostAliases: list,
  locations: list,
  trustedProxies: list,
  subscriptions: Type.Array(Type.Object({ id: text, displayName: Type.Optional(text) }, closed), {
    maxItems: 1_000,
  }),
}

/** What the file alone can say, each section present only where the file has it. */
export interface FileSections {
  readonly auth?: {
    readonly administrators?: readonly { readonly name: string; readonly key: string }[]
    readonly issuer?: string
    readonly audience?: string | readonly string[]
    readonly owners?: readonly string[]
    readonly principals?: readonly {
      readonly name: string
      readonly clientId: string
      readonly clientSecret?: string
      readonly certificate?: string
      readonly objectId?: string
      readonly administrator?: boolean
    }[]
    readonly managedIdentity?: { readonly principal?: string; readonly userAssigned?: boolean }
    readonly issuers?: readonly { readonly issuer: string; readonly audiences?: readonly string[] }[]
    readonly webhookTokens?: readonly {
      readonly tenantId: string
      readonly tokenEndpoint: string
      readonly clientId: string
      readonly clientSecret: string
    }[]
  }
  readonly connections?: Readonly<Record<string, Connection>>
  readonly monitorAlerts?: { readonly url: string }
  readonly blobServices?: readonly {
    readonly storageAccount: string
    readonly port: number
    readonly tls?: boolean
    readonly url?: string
  }[]
  readonly limits?: Readonly<Record<string, number>>
  readonly diagnostics?: {
    readonly directory?: string
    readonly categories?: readonly string[]
    readonly maxFileBytes?: number
    readonly files?: number
  }
  readonly webhooks?: {
    readonly allowHttp?: boolean
    readonly allowSelfSigned?: boolean
    readonly allowPrivateAddresses?: boolean
    readonly allowedHosts?: readonly string[]
  }
  readonly mqtt?: {
    readonly plaintext?: boolean
    readonly proxyProtocol?: boolean
    readonly httpsClientCertificates?: boolean
    readonly connections?: number
    readonly refusedFilters?: readonly string[]
    readonly limits?: Partial<MqttLimits>
    readonly features?: Partial<MqttFeatures>
  }
  readonly hostAliases?: readonly string[]
  readonly locations?: readonly string[]
  readonly trustedProxies?: readonly string[]
  readonly subscriptions?: readonly { readonly id: string; readonly displayName?: string }[]
}

export const sectionNames: readonly string[] = Object.keys(sections)

/** A larger file is not a configuration file. */
const fileBytes = 1_048_576

/**
 * Reads `file`. `settingKeys` are the keys whose value is a plain setting, which a flag could also give; their
 * values come back as text.
 *
 * Throws an `OperatorError` that names the file and the key at fault.
 */
export function readConfigFile(
  file: string,
  settingKeys: readonly string[],
): { readonly values: ReadonlyMap<string, string>; readonly sections: FileSections } {
  const content = decodeFile(file)
  const values = new Map<string, string>()
  const found: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(content)) {
    if (settingKeys.includes(key)) values.set(key, plainValue(file, key, value))
    else if (isSection(key)) found[key] = checkSection(file, key, value)
    else
      throw new OperatorError(
        `${file}: unknown key '${key}'.${suggestion(key, [...settingKeys, ...sectionNames])}`,
      )
  }
  return { values, sections: found }
}

const isSection = (key: string): key is keyof typeof sections => Object.hasOwn(sections, key)

function decodeFile(file: string): Record<string, unknown> {
  let content: unknown
  try {
    const bytes = readFileSync(file)
    if (bytes.length > fileBytes) throw new Error(`it is larger than ${fileBytes} bytes`)
    content = parse(bytes.toString('utf8')) ?? {}
  } catch (error) {
    const [reason] = (error as Error).message.split('\n')
    throw new OperatorError(`The configuration file ${file} cannot be read: ${reason}`, error)
  }
  if (typeof content !== 'object' || Array.isArray(content))
    throw new OperatorError(`${file}: expected keys with values, such as 'httpPort: 4800'.`)
  return content as Record<string, unknown>
}

function plainValue(file: string, key: string, value: unknown): string {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
    return String(value)
  throw new OperatorError(
    `${file}: '${key}' must be one value, and is ${value === null ? 'empty' : 'a list'}.`,
  )
}

function checkSection(file: string, section: keyof typeof sections, value: unknown): unknown {
  const shape = sections[section]
  if (Value.Check(shape, value)) return value
  const errors = [...Value.Errors(shape, value)]
  const unknown = errors.find(({ keyword }) => keyword === 'additionalProperties')
  if (unknown) {
    const parent = at(shape, unknown.instancePath)
    const [name = ''] = (unknown.params as { additionalProperties: string[] }).additionalProperties
    const path = spell(section, `${unknown.instancePath}/${name.replaceAll('/', '~1')}`)
    throw new OperatorError(
      `${file}: unknown key '${path}'.${suggestion(name, Object.keys(parent.properties ?? {}))}`,
    )
  }
  const first = errors[0]
  throw new OperatorError(`${file}: '${spell(section, first?.instancePath ?? '')}' ${first?.message}.`)
}

interface Shape {
  readonly properties?: Readonly<Record<string, Shape>>
  readonly patternProperties?: Readonly<Record<string, Shape>>
  readonly items?: Shape
}

/** The part of the shape that describes the value at that JSON pointer. */
function at(shape: unknown, pointer: string): Shape {
  let part = shape as Shape
  for (const step of pointer.split('/').slice(1))
    part = part.properties?.[step] ?? Object.values(part.patternProperties ?? {})[0] ?? part.items ?? {}
  return part
}

/** `auth.administrators[0].key` for the JSON pointer `/administrators/0/key` within `auth`. */
function spell(section: string, pointer: string): string {
  return pointer
    .split('/')
    .slice(1)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
    .reduce((path, step) => (/^\d+$/.test(step) ? `${path}[${step}]` : `${path}.${step}`), section)
}
