import type { Clock } from '../base/clock.ts'
import { withoutTrailingSlashes } from '../base/trailing-slashes.ts'
import type { IotHub, IotHubs } from '../catalog/iot-hub.ts'
import type { Devicebound } from '../devicebound/devicebound.ts'
import type { FileUploads } from '../fileupload/file-uploads.ts'
import type { Door, HttpRequest, HttpResponse } from '../http/http.ts'
import type { Peer } from '../http/peer.ts'
import type { HubEvents } from '../hubevents/hub-events.ts'
import type { MethodAnswer, MethodCall } from '../hubmessage/method.ts'
import { runBulk } from '../registry/bulk.ts'
import { encodeDevice, encodeModule, encodeTwin } from '../registry/encode.ts'
import { HubError, invalid } from '../registry/errors.ts'
import { checkId, decodeIdentity, decodeTwinChange, type StoredIdentity } from '../registry/identity.ts'
import type { HubMeter } from '../registry/quotas.ts'
import type { Registries } from '../registry/registries.ts'
import type { IdentityName } from '../registry/registry.ts'
import { checkSection } from '../registry/twin.ts'
import { empty, json, refusal, withEtag } from './answers.ts'
import type { AuthorizeService } from './authenticate.ts'
import { configurationRoutes } from './configurations.ts'
import { credentialsOf, type DeviceCredentials } from './device-credentials.ts'
import { decodeSentMessages, type SentMessage, sentBytesMost } from './device-messages.ts'
import { deviceboundRoutes } from './devicebound.ts'
import { digitalTwinRoutes } from './digital-twin-routes.ts'
import { decodeEtag, isUpdate } from './etag.ts'
import { readEvents } from './events.ts'
import { fileRoutes } from './files.ts'
import { type Jobs, jobRoutes } from './jobs.ts'
import { decodeMethodCall } from './methods.ts'
import type { Vouch } from './proven-device.ts'
import { runQuery } from './query.ts'
import { type Call, decodePage, decodeTop, deviceName, ifMatch, type Route, route } from './route.ts'

/*
 * The service API of IoT hubs: devices, modules and their twins, queries and statistics, and what devices have said. In
 * come requests of service clients, for the hub that their host names; out go answers in the hub's words. It promises that
 * a change is durable when it is answered.
 *
 * Source: learn.microsoft.com/rest/api/iothub/service
 */

export interface IotHubDoorOptions {
  readonly hubs: IotHubs
  readonly registries: Registries
  readonly clock: Clock
  /** Whether a token lets its bearer do that. */
  readonly authorize: AuthorizeService
  /** Whether clients may call this server by that host name, without its port, in lower case. */
  readonly isOwnHost: (host: string) => boolean
  readonly peerOf: (request: HttpRequest) => Peer
  readonly bodyBytes: number
  /** Why that cannot be had now; undefined: it can, and was counted. */
  readonly refusal: (hub: IotHub, meter: HubMeter) => Promise<HubError | undefined>
  /** Calls a method on a device; rejects with a `HubError` where no answer comes. */
  readonly invoke: (hub: IotHub, name: IdentityName, call: MethodCall) => Promise<MethodAnswer>
  readonly jobsOf: (hub: IotHub) => Promise<Jobs>
  /** Takes telemetry of a device that proves itself so; rejects with a `HubError` where it is not taken. */
  readonly send: (
    hub: IotHub,
    name: IdentityName,
    credentials: DeviceCredentials,
    messages: readonly SentMessage[],
  ) => Promise<void>
  readonly vouch: Vouch
  readonly devicebound: (hub: IotHub) => Promise<Devicebound>
  readonly files: (hub: IotHub) => Promise<FileUploads>
  /** What devices have said; rejects with a `HubError` where the hub does not run. */
  readonly eventsOf: (hub: IotHub) => Promise<HubEvents>
}

/** Devices in a list without a query. Source: learn.microsoft.com/rest/api/iothub/service/devices */
const listMost = 1_000

const first = /^\/(devices|twins|statistics|configurations|jobs|digitaltwins|messages)(?=\/|$)/i

/** Where messages of devices are read. */
const builtIn = /^\/messages\/events\/*$/i

export function createIotHubDoor(options: IotHubDoorOptions): Door {
  const { hubs, registries, isOwnHost, bodyBytes, authorize, peerOf, refusal: refusalOf } = options
  const routes = routesOf(registries, options)

  const hubOf = ({ headers, path }: HttpRequest): IotHub | undefined => {
    const host = (headers.host ?? '').replace(/:\d+$/, '').toLowerCase()
    const named = hubs.byHost(host)
    if (named || !first.test(path)) return named
    return isOwnHost(host) ? hubs.only() : undefined
  }

  const serve = async (request: HttpRequest, hub: IotHub): Promise<HttpResponse> => {
    try {
      const turnedAway = hub.gate(peerOf(request), builtIn.test(request.path) ? 'events' : 'hub')
      if (turnedAway !== undefined)
        throw new HubError('IotHubUnauthorizedAccess', `Unauthorized: ${turnedAway}`)
      const found = find(routes, request)
      // Who a device is only the registry knows.
      if (found.route.right !== 'DeviceConnect')
        await authorize(request.headers.authorization, hub, found.route)
      if (!found.route.isOwn && !request.query.has('api-version'))
        throw new HubError('InvalidProtocolVersion', "The query parameter 'api-version' is missing.")
      const { meter } = found.route
      const refused = meter && (await refusalOf(hub, meter))
      if (refused) throw refused
      return await found.route.act({
        ...{ request, hub, names: found.names },
        registry: await registries.of(hub),
        body: async () => decodeJson(await request.body(bodyBytes)),
      })
    } catch (error) {
      const answer = refusal(error)
      if (answer) return answer
      throw error
    }
  }
  return (request) => {
    const hub = hubOf(request)
    return hub && serve(request, hub)
  }
}

function find(
  routes: readonly Route[],
  { path, method }: HttpRequest,
): { readonly route: Route; readonly names: readonly string[] } {
  const segments = withoutTrailingSlashes(path.replace(/^\//, '')).split('/')
  const fitting = routes.filter(
    ({ path: words }) =>
      words.length === segments.length &&
      words.every((word, n) => word === '{}' || word === segments[n]?.toLowerCase()),
  )
  const found = fitting.find((each) => each.method === method)
  if (!found && fitting.length > 0)
    throw new HubError(
      'GenericMethodNotAllowed',
      `${method} is not allowed here; use ${fitting.map((each) => each.method).join(', ')}.`,
    )
  if (!found) throw new HubError('IotHubNotFound', `The service API has nothing at ${path}.`)
  return {
    route: found,
    names: segments.filter((_, n) => found.path[n] === '{}').map(decodeSegment),
  }
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    throw invalid('The path', 'percent-encoded as it must be', segment)
  }
}

function decodeJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8')) as unknown
  } catch {
    throw invalid('The body', 'JSON', body.subarray(0, 50).toString('utf8'))
  }
}

const moduleName = ({ names: [deviceId = '', moduleId = ''] }: Call): IdentityName => ({
  deviceId: checkId(deviceId, 'deviceId'),
  moduleId: checkId(moduleId, 'moduleId'),
})

function routesOf(
  registries: Registries,
  { invoke, send, vouch, devicebound, files, jobsOf, eventsOf, clock }: IotHubDoorOptions,
): readonly Route[] {
  const shown = ({ hub, registry }: Call, identity: StoredIdentity, isNew = false) => {
    const presence = registries.presenceOf(hub, identity)
    const keys = registry.keysOf(identity)
    return identity.moduleId === undefined
      ? encodeDevice(identity, keys, presence, isNew)
      : encodeModule(identity, keys, presence)
  }
  const shownTwin = ({ hub }: Call, identity: StoredIdentity) =>
    json(encodeTwin(identity, registries.presenceOf(hub, identity)))

  const put = async (call: Call, name: IdentityName) => {
    const body = await call.body()
    checkNames(body, name)
    const request = decodeIdentity(body)
    if (isUpdate(ifMatch(call)))
      return withEtag(
        shown(call, await call.registry.update(name, request, decodeEtag(ifMatch(call), 'identity'))),
      )
    return withEtag(shown(call, await call.registry.create(name, request), true))
  }
  const get = async (call: Call, name: IdentityName) => withEtag(shown(call, await call.registry.get(name)))
  const remove = async (call: Call, name: IdentityName) => {
    await call.registry.remove(name, decodeEtag(ifMatch(call), 'identity'))
    return empty(204)
  }
  const twin = async (call: Call, name: IdentityName) => shownTwin(call, await call.registry.get(name))
  const changeTwin = (how: 'patch' | 'replace') => async (call: Call, name: IdentityName) => {
    const change = decodeTwinChange(await call.body(), checkSection)
    return shownTwin(
      call,
      await call.registry.changeTwin(name, change, how, decodeEtag(ifMatch(call), 'twin')),
    )
  }
  const callMethod = async (call: Call, name: IdentityName) =>
    json(await invoke(call.hub, name, decodeMethodCall(await call.body())))
  const sendMessages = async ({ hub, request }: Call, name: IdentityName) => {
    const { headers, rawHeaders } = request
    const credentials = credentialsOf(request)
    // In a batch, a body is base64.
    const body = await request.body(sentBytesMost * 2)
    const messages = decodeSentMessages(headers['content-type'], rawHeaders, body)
    await send(hub, name, credentials, messages)
    return empty(204)
  }
  const of =
    (nameOf: (call: Call) => IdentityName, act: (call: Call, name: IdentityName) => Promise<HttpResponse>) =>
    async (call: Call) =>
      act(call, nameOf(call))
  const device = '/devices/{}'
  const module = '/devices/{}/modules/{}'
  return [
    route('GET /devices', 'RegistryRead', async (call) => {
      const top = decodeTop(call.request.query.get('top'), listMost)
      const some = await call.registry.page('device', undefined, top)
      return json(some.map((identity) => shown(call, identity)))
    }),
    route('POST /devices', 'RegistryWrite', async (call) => {
      const result = await runBulk(call.registry, await call.body(), decodeEtag)
      return json(result, { status: result.isSuccessful ? 200 : 400 })
    }),
    route('POST /devices/query', 'ServiceConnect', async (call) => {
      const body = (await call.body()) as { readonly query?: unknown } | null
      const page = await runQuery(body?.query, decodePage(call.request), {
        registry: call.registry,
        presenceOf: (identity) => registries.presenceOf(call.hub, identity),
        deviceJobs: async (after) => (await jobsOf(call.hub)).devices(after),
      })
      return json(page.results, {
        headers: {
          'x-ms-item-type': page.itemType,
          // Clients take any value at all for a promise of more.
          ...(page.continuation !== undefined && { 'x-ms-continuation': page.continuation }),
        },
      })
    }),
    ...digitalTwinRoutes(invoke),
    ...jobRoutes(jobsOf),
    ...configurationRoutes((hub, identity) => registries.presenceOf(hub, identity)),
    route(`PUT ${device}`, 'RegistryWrite', of(deviceName, put)),
    route(`GET ${device}`, 'RegistryRead', of(deviceName, get)),
    route(`DELETE ${device}`, 'RegistryWrite', of(deviceName, remove)),
    route(`GET ${device}/modules`, 'RegistryRead', async (call) => {
      const { deviceId } = deviceName(call)
      await call.registry.get({ deviceId })
      const modules = await call.registry.modulesOf(deviceId)
      return json(modules.map((identity) => shown(call, identity)))
    }),
    route(`PUT ${module}`, 'RegistryWrite', of(moduleName, put)),
    route(`GET ${module}`, 'RegistryRead', of(moduleName, get)),
    route(`DELETE ${module}`, 'RegistryWrite', of(moduleName, remove)),
    ...['/twins/{}', '/twins/{}/modules/{}'].flatMap((path, n) => {
      const nameOf = n === 0 ? deviceName : moduleName
      return [
        route(`GET ${path}`, 'ServiceConnect', of(nameOf, twin)),
        route(`PATCH ${path}`, 'ServiceConnect', of(nameOf, changeTwin('patch'))),
        route(`PUT ${path}`, 'ServiceConnect', of(nameOf, changeTwin('replace'))),
        route(`POST ${path}/methods`, 'ServiceConnect', of(nameOf, callMethod)),
      ]
    }),
    route(`POST ${device}/messages/events`, 'DeviceConnect', of(deviceName, sendMessages)),
    route(`POST ${module}/messages/events`, 'DeviceConnect', of(moduleName, sendMessages)),
    ...deviceboundRoutes({ vouch, devicebound }),
    ...fileRoutes({ vouch, files }),
    route(
      'GET /messages/events',
      'ServiceConnect',
      async ({ hub, request }) => readEvents(await eventsOf(hub), request, clock),
      true,
    ),
    route('GET /statistics/devices', 'RegistryRead', async ({ registry }) => {
      const { devices, enabled } = registry.counts()
      return json({
        totalDeviceCount: devices,
        enabledDeviceCount: enabled,
        disabledDeviceCount: devices - enabled,
      })
    }),
    route('GET /statistics/service', 'ServiceConnect', async ({ hub }) =>
      json({ connectedDeviceCount: registries.connectedTo(hub) }),
    ),
  ]
}

/** The body's own names are those of the path. */
function checkNames(body: unknown, { deviceId, moduleId }: IdentityName): void {
  const given = body as { readonly deviceId?: unknown; readonly moduleId?: unknown } | null
  if (given?.deviceId !== undefined && given.deviceId !== deviceId)
    throw invalid('deviceId', `'${deviceId}', as in the path`, given.deviceId)
  if (moduleId !== undefined && given?.moduleId !== undefined && given.moduleId !== moduleId)
    throw invalid('moduleId', `'${moduleId}', as in the path`, given.moduleId)
}
