import { existsSync } from 'node:fs'
import { isIP } from 'node:net'
import { join, resolve } from 'node:path'
import type { SubscriptionSetting } from './arm/subscriptions.ts'
import type { AuthSettings } from './auth/authorize.ts'
import { decodeIpMask } from './base/ip-mask.ts'
import type { LogLevel } from './base/log.ts'
import { suggestion } from './base/nearest.ts'
import { OperatorError } from './base/operator-error.ts'
import { normalizeLocation } from './base/regions.ts'
import { decodeAuth, type SignInSettings } from './config-auth.ts'
import { type BlobServiceSetting, decodeBlobServices } from './config-blob-services.ts'
import type { FileSections } from './config-file.ts'
import { decodeMqtt, type MqttSettings, plaintextRefused } from './config-mqtt.ts'
import { type Connections, decodeConnections } from './destinations/connections.ts'
import {
  type Category,
  categories,
  type DiagnosticSettings,
  defaultDiagnosticLimits,
} from './diagnostics/diagnostics.ts'
import { defaultLimits, type Limits } from './limits.ts'
import { isLoopback } from './loopback.ts'
import { resourceGroups } from './resources/resource-groups.ts'

/*
 * Flags, environment and file in; one checked options object out. Whoever holds an `Options` need not check
 * anything again.
 */

interface Setting {
  readonly flag: string
  readonly variable: string
  /** What stands after the flag in the help; undefined for a flag without a value. */
  readonly placeholder?: string
  /** As text, as a flag would give it; undefined where leaving the setting out is a meaning of its own. */
  readonly default?: string
  readonly meaning: string
}

/** Every setting that a flag or a variable can give. In the configuration file its name is the key here. */
export const settings = {
  config: {
    flag: '--config',
    variable: 'BUSBAR_CONFIG',
    placeholder: 'FILE',
    meaning: 'configuration file, YAML or JSON (default: busbar.yaml if present)',
  },
  dataDir: {
    flag: '--data-dir',
    variable: 'BUSBAR_DATA_DIR',
    placeholder: 'DIR',
    default: '.busbar',
    meaning: 'everything Busbar stores: the log, resources, keys, local certificates',
  },
  host: {
    flag: '--host',
    variable: 'BUSBAR_HOST',
    placeholder: 'ADDR',
    default: '127.0.0.1',
    meaning: 'address every listener binds; anything but loopback needs an auth section in the file',
  },
  httpPort: {
    flag: '--http-port',
    variable: 'BUSBAR_HTTP_PORT',
    placeholder: 'N',
    default: '4800',
    meaning: 'HTTP port; 0 picks a free one, off closes the listener',
  },
  httpsPort: {
    flag: '--https-port',
    variable: 'BUSBAR_HTTPS_PORT',
    placeholder: 'N',
    default: '4843',
    meaning: 'HTTPS port; 0 picks a free one, off closes the listener',
  },
  mqttPort: {
    flag: '--mqtt-port',
    variable: 'BUSBAR_MQTT_PORT',
    placeholder: 'N',
    meaning:
      'MQTT without TLS, on loopback (default: 1883, or any free one where --http-port is 0); 0 or off',
  },
  mqttsPort: {
    flag: '--mqtts-port',
    variable: 'BUSBAR_MQTTS_PORT',
    placeholder: 'N',
    meaning: 'MQTT over TLS (default: 8883, or any free one where --http-port is 0); 0 or off',
  },
  amqpsPort: {
    flag: '--amqps-port',
    variable: 'BUSBAR_AMQPS_PORT',
    placeholder: 'N',
    meaning: 'AMQP over TLS, of IoT hubs (default: 5671, or any free one where --http-port is 0); 0 or off',
  },
  publicUrl: {
    flag: '--public-url',
    variable: 'BUSBAR_PUBLIC_URL',
    placeholder: 'URL',
    meaning: "base of the endpoints shown to clients (default: the listener's own)",
  },
  engine: {
    flag: '--engine',
    variable: 'BUSBAR_ENGINE',
    placeholder: 'NAME',
    default: 'embedded',
    meaning: 'storage engine; this version has embedded',
  },
  natsUrl: {
    flag: '--nats-url',
    variable: 'BUSBAR_NATS_URL',
    placeholder: 'URL',
    meaning: 'servers of the nats engine: not in this version',
  },
  mqttAnonymous: {
    flag: '--mqtt-anonymous',
    variable: 'BUSBAR_MQTT_ANONYMOUS',
    meaning:
      'development only: MQTT clients without credentials may do everything; namespace dev is made where none has MQTT',
  },
  logLevel: {
    flag: '--log-level',
    variable: 'BUSBAR_LOG_LEVEL',
    placeholder: 'L',
    default: 'info',
    meaning: 'trace, debug, info, warn or error; the log goes to stderr',
  },
  timeScale: {
    flag: '--time-scale',
    variable: 'BUSBAR_TIME_SCALE',
    placeholder: 'X',
    default: '1',
    meaning: 'development only: delivery waits run X times faster; stamped times stay real',
  },
  profile: {
    flag: '--profile',
    variable: 'BUSBAR_PROFILE',
    placeholder: 'NAME',
    default: 'open',
    meaning: 'of namespaces: strict refuses what Azure refuses, open has no quotas',
  },
  connectionStateEvents: {
    flag: '--connection-state-events',
    variable: 'BUSBAR_CONNECTION_STATE_EVENTS',
    placeholder: 'WHEN',
    meaning: 'of devices of IoT hubs: immediate, or snapshot, once in a minute (default: by the profile)',
  },
  template: {
    flag: '--template',
    variable: 'BUSBAR_TEMPLATE',
    placeholder: 'FILE',
    meaning: 'deployment template (JSON) that is applied before the server is ready',
  },
  parameters: {
    flag: '--parameters',
    variable: 'BUSBAR_PARAMETERS',
    placeholder: 'FILE',
    meaning: 'parameter file of --template',
  },
  resourceGroup: {
    flag: '--resource-group',
    variable: 'BUSBAR_RESOURCE_GROUP',
    placeholder: 'NAME',
    default: 'default',
    meaning: 'resource group that --template is applied to; made if it is not there',
  },
} as const satisfies Record<string, Setting>

export type SettingName = keyof typeof settings

/** Variables that the commands which are clients read, besides those of settings; the server ignores them. */
export const clientVariables = { url: 'BUSBAR_URL', key: 'BUSBAR_KEY', ca: 'BUSBAR_CA' } as const

/**
 * How closely namespaces keep to Azure. `strict` refuses what Azure refuses, throughput beyond what was bought
 * included; `open` takes what can be done, and reports where Azure would not have.
 */
export const profiles = ['open', 'strict'] as const
export type Profile = (typeof profiles)[number]

export const connectionStateEvents = ['immediate', 'snapshot'] as const
export type ConnectionStateEvents = (typeof connectionStateEvents)[number]

/** A port number, 0 for any free one, or no listener. */
export type Port = number | 'off'

/** Where webhooks may be. */
export interface WebhookPolicy {
  /** Plain http:// is a webhook's scheme too. */
  readonly allowHttp: boolean
  /** A certificate that no known authority has signed is good enough. */
  readonly allowSelfSigned: boolean
  /** Private, loopback and link-local addresses may be called. */
  readonly allowPrivateAddresses: boolean
  /** Host names and addresses that may be called wherever they are; lower case. */
  readonly allowedHosts: readonly string[]
}

/** A deployment template that is applied at the start. */
export interface TemplateSettings {
  /** Absolute, as is the other. */
  readonly file: string
  readonly parametersFile: string | undefined
  readonly resourceGroup: string
}

export interface Options {
  /** Absolute. */
  readonly dataDir: string
  readonly host: string
  readonly httpPort: Port
  readonly httpsPort: Port
  readonly mqttPort: Port
  readonly mqttsPort: Port
  /** The ports of MQTT were not chosen: one that is in use keeps its listener closed, and nothing else. */
  readonly mqttPortsByDefault: boolean
  readonly amqpsPort: Port
  /** As `mqttPortsByDefault`. */
  readonly amqpsPortByDefault: boolean
  readonly mqtt: MqttSettings
  /** Without a slash at its end. */
  readonly publicUrl: string | undefined
  readonly logLevel: LogLevel
  readonly timeScale: number
  readonly profile: Profile
  readonly connectionStateEvents: ConnectionStateEvents
  /** Applied at the start; undefined: nothing is. */
  readonly template: TemplateSettings | undefined
  /** Bound to this machine alone. */
  readonly loopback: boolean
  /** Loopback and without an `auth` section: whoever reaches the control plane owns it. */
  readonly development: boolean
  /** Who may use the control plane. */
  readonly auth: AuthSettings | undefined
  /** Who may sign in, and whose tokens are good on the data plane. */
  readonly signIn: SignInSettings
  /** How the resources are reached that destinations and dead-letter containers name. */
  readonly connections: Connections
  /** Where alerts go whose action groups have no connection. */
  readonly monitorAlertsUrl: string | undefined
  /** Blob services that are passed on, with events of what changes there. */
  readonly blobServices: readonly BlobServiceSetting[]
  readonly limits: Limits
  /** Undefined: no diagnostic logs. */
  readonly diagnostics: DiagnosticSettings | undefined
  readonly webhooks: WebhookPolicy
  /** Further host names by which clients reach this server. */
  readonly hostAliases: readonly string[]
  /** Where resources may be beside Azure's regions; normalised. */
  readonly locations: readonly string[]
  /** Ranges of addresses whose word on the client of a request counts. */
  readonly trustedProxies: readonly string[]
  /** Subscriptions beside the default one. */
  readonly subscriptions: readonly SubscriptionSetting[]
  /** Lines for the log: what was accepted, and does not do what it says. */
  readonly warnings: readonly string[]
}

export interface Sources {
  /** Values of flags by setting name, as text. */
  readonly flags?: Readonly<Partial<Record<SettingName, string>>>
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Relative paths start here; default: the working directory. */
  readonly cwd?: string
}

/** Rejects with an `OperatorError` that names the setting at fault, where it came from, and what to do. */
export async function readOptions(sources: Sources = {}): Promise<Options> {
  const { flags = {}, env = {}, cwd = process.cwd() } = sources
  refuseUnknownVariables(env)
  const given = new Map<SettingName, Given>()
  const sections = await readFile(configFile(flags, env, cwd), given)
  for (const name of settingNames) {
    const { flag, variable } = settings[name]
    // An empty variable is one that a script meant to leave out.
    if (env[variable]) given.set(name, { value: env[variable], source: variable })
    const value = flags[name]
    if (value !== undefined) given.set(name, { value, source: flag })
  }
  const get = (name: SettingName): Given | undefined => given.get(name) ?? byDefault(name)
  const must = (name: SettingName): Given => get(name) as Given

  const warnings: string[] = []
  refuseWhatIsNotHere(get)
  const host = decodeHost(must('host'))
  const loopback = isLoopback(host)
  const { auth, signIn } = decodeAuth(sections.auth, cwd)
  if (!loopback && !auth) throw needsAuth(host, must('host').source, sections.auth !== undefined)
  const development = loopback && !auth
  if (development && sections.auth)
    warnings.push(
      "The 'auth' section names nobody who may use the control plane: on this address everyone may, as in development.",
    )
  const httpPort = decodePort(must('httpPort'))
  const httpsPort = decodePort(must('httpsPort'))
  if (httpPort === 'off' && httpsPort === 'off')
    throw new OperatorError('Both listeners are off: give --http-port or --https-port a port, or 0 for any.')
  if (httpPort === httpsPort && httpPort !== 0)
    throw new OperatorError(`--http-port and --https-port are both ${httpPort}: give each its own.`)
  const { mqttPort, mqttsPort } = decodeMqttPorts(get, sections, host, loopback)
  const anonymous = decodeSwitch(get('mqttAnonymous'))
  if (anonymous && !development)
    throw new OperatorError(
      `${get('mqttAnonymous')?.source} is for development alone: it needs a loopback address and no 'auth' section.`,
    )

  const profile = decodeProfile(must('profile'))
  const dataDir = resolve(cwd, must('dataDir').value)
  const connections = decodeConnections(sections.connections ?? {})
  return {
    dataDir,
    host,
    httpPort,
    httpsPort,
    mqttPort,
    mqttsPort,
    mqttPortsByDefault: get('mqttPort') === undefined && get('mqttsPort') === undefined,
    amqpsPort: decodeAmqpsPort(get),
    amqpsPortByDefault: get('amqpsPort') === undefined,
    mqtt: decodeMqtt(sections.mqtt, anonymous),
    publicUrl: decodeUrl(get('publicUrl')),
    logLevel: decodeLogLevel(must('logLevel')),
    timeScale: decodeTimeScale(must('timeScale'), development),
    profile,
    connectionStateEvents: decodeConnectionStateEvents(get('connectionStateEvents'), profile),
    template: decodeTemplateSettings(get('template'), get('parameters'), must('resourceGroup'), cwd),
    loopback,
    development,
    auth,
    signIn,
    connections,
    monitorAlertsUrl: decodeAlertsUrl(sections.monitorAlerts),
    blobServices: decodeBlobServices(sections.blobServices ?? [], connections),
    limits: { ...defaultLimits, ...(sections.limits as Partial<Limits> | undefined) },
    diagnostics: decodeDiagnostics(sections.diagnostics, dataDir, cwd),
    webhooks: decodeWebhooks(sections.webhooks, loopback),
    hostAliases: (sections.hostAliases ?? []).map(decodeHostAlias),
    locations: (sections.locations ?? []).map(decodeLocation),
    trustedProxies: (sections.trustedProxies ?? []).map(decodeTrustedProxy),
    subscriptions: decodeSubscriptions(sections.subscriptions ?? []),
    warnings,
  }
}

// ------------------------------------------------------------------ sources

interface Given {
  readonly value: string
  /** As the operator wrote it: `--host`, `BUSBAR_HOST`, `host in busbar.yaml`. */
  readonly source: string
}

const settingNames = Object.keys(settings) as SettingName[]

const fileKeys = settingNames.filter((name) => name !== 'config')

/** Used when nobody names a file and it is there. */
const usualFile = 'busbar.yaml'

function byDefault(name: SettingName): Given | undefined {
  const { default: value, flag }: Setting = settings[name]
  return value === undefined ? undefined : { value, source: flag }
}

function refuseUnknownVariables(env: Readonly<Record<string, string | undefined>>): void {
  const known: readonly string[] = [
    ...settingNames.map((name) => settings[name].variable),
    ...Object.values(clientVariables),
  ]
  for (const name of Object.keys(env))
    if (name.startsWith('BUSBAR_') && !known.includes(name))
      throw new OperatorError(`Unknown environment variable ${name}.${suggestion(name, known)}`)
}

function configFile(
  flags: Readonly<Partial<Record<SettingName, string>>>,
  env: Readonly<Record<string, string | undefined>>,
  cwd: string,
): string | undefined {
  const named = flags.config ?? env[settings.config.variable]
  if (named) return resolve(cwd, named)
  const usual = resolve(cwd, usualFile)
  return existsSync(usual) ? usual : undefined
}

async function readFile(file: string | undefined, given: Map<SettingName, Given>): Promise<FileSections> {
  if (file === undefined) return {}
  const { readConfigFile } = await import('./config-file.ts')
  const { values, sections } = readConfigFile(file, fileKeys)
  for (const [name, value] of values)
    given.set(name as SettingName, { value, source: `'${name}' in ${file}` })
  return sections
}

// ------------------------------------------------------------------ values

function refuseWhatIsNotHere(get: (name: SettingName) => Given | undefined): void {
  const nats = get('natsUrl')
  if (nats)
    throw new OperatorError(
      `${nats.source} is set, and this version has no nats engine: leave the setting out.`,
    )
  const engine = get('engine') as Given
  if (engine.value === 'nats')
    throw new OperatorError(
      `${engine.source} is nats, and this version has only the embedded engine: leave the setting out.`,
    )
  if (engine.value !== 'embedded')
    throw new OperatorError(
      `${engine.source}: unknown engine '${engine.value}'.${suggestion(engine.value, ['embedded'])}`,
    )
}

function decodePort({ value, source }: Given): Port {
  if (value === 'off') return 'off'
  const port = /^\d{1,5}$/.test(value) ? Number(value) : Number.NaN
  if (port >= 0 && port <= 65_535) return port
  throw new OperatorError(
    `${source} must be a port from 1 to 65535, 0 for any free one, or off: got '${value}'.`,
  )
}

/** Where they are not given: the usual ones; any, where the HTTP listener has any; none without TLS for strangers. */
function decodeMqttPorts(
  get: (name: SettingName) => Given | undefined,
  { mqtt }: FileSections,
  host: string,
  loopback: boolean,
): Pick<Options, 'mqttPort' | 'mqttsPort'> {
  const plain = get('mqttPort')
  const mayBePlain = loopback || mqtt?.plaintext === true
  if (plain && plain.value !== 'off' && !mayBePlain) throw plaintextRefused(plain.source, host)
  const any = get('httpPort')?.value === '0'
  const usual = (port: string): Given => ({ value: any ? '0' : port, source: 'the default' })
  const mqttPort = decodePort(plain ?? (mayBePlain ? usual('1883') : { value: 'off', source: 'the default' }))
  const mqttsPort = decodePort(get('mqttsPort') ?? usual('8883'))
  if (mqttPort !== 'off' && mqttPort === mqttsPort && mqttPort !== 0)
    throw new OperatorError(`--mqtt-port and --mqtts-port are both ${mqttPort}: give each its own.`)
  return { mqttPort, mqttsPort }
}

/** Where it is not given: the usual one; any, where the HTTP listener has any. */
function decodeAmqpsPort(get: (name: SettingName) => Given | undefined): Port {
  const value = get('httpPort')?.value === '0' ? '0' : '5671'
  return decodePort(get('amqpsPort') ?? { value, source: 'the default' })
}

/** A flag without a value is on; off, false and 0 turn it off. */
function decodeSwitch(given: Given | undefined): boolean {
  if (given === undefined || ['off', 'false', '0'].includes(given.value)) return false
  if (['on', 'true', '1'].includes(given.value)) return true
  throw new OperatorError(`${given.source} must be on or off: got '${given.value}'.`)
}

function decodeProfile({ value, source }: Given): Profile {
  const profile = profiles.find((each) => each === value)
  if (profile) return profile
  throw new OperatorError(`${source} must be open or strict: got '${value}'.${suggestion(value, profiles)}`)
}

/** In the profile `strict`, as Azure does it. */
function decodeConnectionStateEvents(given: Given | undefined, profile: Profile): ConnectionStateEvents {
  if (given === undefined) return profile === 'strict' ? 'snapshot' : 'immediate'
  const found = connectionStateEvents.find((each) => each === given.value)
  if (found) return found
  throw new OperatorError(`${given.source} must be immediate or snapshot: got '${given.value}'.`)
}

function decodeHost({ value, source }: Given): string {
  const host = value.replace(/^\[(.*)\]$/, '$1').toLowerCase()
  if (isIP(host) !== 0 || /^[a-z0-9]([a-z0-9.-]{0,252}[a-z0-9])?$/.test(host)) return host
  throw new OperatorError(`${source} must be an address or a host name, without a port: got '${value}'.`)
}

function decodeHostAlias(alias: string): string {
  const name = alias.toLowerCase()
  if (isIP(name) !== 0 || /^(\*\.)?[a-z0-9_]([a-z0-9._-]{0,250}[a-z0-9])?$/.test(name)) return name
  throw new OperatorError(`'hostAliases' in the configuration file: '${alias}' is not a host name.`)
}

function decodeLocation(given: string): string {
  const name = normalizeLocation(given)
  if (/^[a-z0-9]{1,64}$/.test(name) && name !== 'global') return name
  throw new OperatorError(
    `'locations' in the configuration file: '${given}' is not the name of a location, of letters and digits.`,
  )
}

function decodeSubscriptions(
  given: NonNullable<FileSections['subscriptions']>,
): readonly SubscriptionSetting[] {
  const seen = new Set<string>()
  return given.map(({ id, displayName }) => {
    const lower = id.toLowerCase()
    const refuse = (what: string) =>
      new OperatorError(`'subscriptions' in the configuration file: '${id}' ${what}.`)
    if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(lower))
      throw refuse('is not a guid, such as 6b1f4c0e-2d5a-4f8b-9c3e-7a1d0e5f2b48')
    if (seen.has(lower)) throw refuse('is there twice')
    seen.add(lower)
    return { id: lower, displayName: displayName ?? id }
  })
}

function decodeTrustedProxy(mask: string): string {
  if (decodeIpMask(mask)) return mask
  throw new OperatorError(
    `'trustedProxies' in the configuration file: '${mask}' is not an address, or a range of them such as 10.0.0.0/8.`,
  )
}

const needsAuth = (host: string, source: string, hasSection: boolean) =>
  new OperatorError(
    `${source} ${host} can be reached from other machines, and the configuration ` +
      `${hasSection ? "names nobody under 'auth' who may use the control plane" : "has no 'auth' section"}: ` +
      `bind 127.0.0.1, or name administrators or an OIDC issuer under 'auth' (docs/configuration.md).`,
  )

function decodeUrl(given: Given | undefined): string | undefined {
  if (given === undefined) return undefined
  const url = URL.parse(given.value)
  if (url && /^https?:$/.test(url.protocol) && !url.search && !url.hash && !url.username)
    return url.href.replace(/\/+$/, '')
  throw new OperatorError(
    `${given.source} must be an http:// or https:// URL without query, such as https://events.example.org: ` +
      `got '${given.value}'.`,
  )
}

const logLevels: readonly LogLevel[] = ['trace', 'debug', 'info', 'warn', 'error']

function decodeLogLevel({ value, source }: Given): LogLevel {
  const level = logLevels.find((name) => name === value)
  if (level) return level
  throw new OperatorError(
    `${source} must be one of ${logLevels.join(', ')}: got '${value}'.${suggestion(value, logLevels)}`,
  )
}

function decodeTimeScale({ value, source }: Given, development: boolean): number {
  const scale = value.trim() === '' ? Number.NaN : Number(value)
  if (!(scale > 0) || !Number.isFinite(scale))
    throw new OperatorError(`${source} must be a number greater than 0: got '${value}'.`)
  if (scale !== 1 && !development)
    throw new OperatorError(
      `${source} is for development alone: it needs a loopback address and no 'auth' section.`,
    )
  return scale
}

function decodeTemplateSettings(
  template: Given | undefined,
  parameters: Given | undefined,
  { value: resourceGroup, source }: Given,
  cwd: string,
): TemplateSettings | undefined {
  if (!template) {
    if (parameters) throw new OperatorError(`${parameters.source} is set without ${settings.template.flag}.`)
    return undefined
  }
  const { pattern, rule } = resourceGroups.name
  if (!pattern.test(resourceGroup))
    throw new OperatorError(`${source} must be ${rule}: got '${resourceGroup}'.`)
  return {
    file: resolve(cwd, template.value),
    parametersFile: parameters && resolve(cwd, parameters.value),
    resourceGroup,
  }
}

// ------------------------------------------------------------------ sections

function decodeAlertsUrl(section: FileSections['monitorAlerts']): string | undefined {
  if (!section) return undefined
  const url = URL.parse(section.url)
  if (url && /^https?:$/.test(url.protocol) && !url.hash && !url.username) return section.url
  // Its query may be a secret.
  throw new OperatorError(`'monitorAlerts.url' in the configuration file must be an http:// or https:// URL.`)
}

function decodeDiagnostics(
  section: FileSections['diagnostics'],
  dataDir: string,
  cwd: string,
): DiagnosticSettings | undefined {
  if (!section) return undefined
  const { directory, categories: wanted = categories, ...bounds } = section
  for (const name of wanted)
    if (!(categories as readonly string[]).includes(name))
      throw new OperatorError(
        `'diagnostics.categories' in the configuration file: unknown category '${name}', expected some of ` +
          `${categories.join(', ')}.${suggestion(name, categories)}`,
      )
  return {
    ...defaultDiagnosticLimits,
    ...bounds,
    directory: directory === undefined ? join(dataDir, 'logs') : resolve(cwd, directory),
    categories: [...new Set(wanted as readonly Category[])],
  }
}

function decodeWebhooks(section: FileSections['webhooks'] = {}, loopback: boolean): WebhookPolicy {
  return {
    allowHttp: section.allowHttp ?? loopback,
    allowSelfSigned: section.allowSelfSigned ?? false,
    allowPrivateAddresses: section.allowPrivateAddresses ?? loopback,
    allowedHosts: (section.allowedHosts ?? []).map((host) => host.toLowerCase()),
  }
}
