import type { HubMessage, MessageSource } from '../hubmessage/message.ts'
import {
  compileRouteCondition,
  type MessageView,
  memberAt,
  type RouteCondition,
} from '../hubquery/route-condition.ts'
import {
  builtInEndpoint,
  type Enrichment,
  eventGridEndpoint,
  type HubRouting,
  type MessageRoute,
  type RouteSource,
} from '../resources/hub-routing.ts'

/*
 * A hub's routing made ready: compiled once for every change of the hub, and asked for every message. Pure functions.
 *
 * Source: learn.microsoft.com/azure/iot-hub/iot-hub-devguide-messages-d2c
 */

export interface Plan {
  /** Whether messages of that source lead to an endpoint; Event Grid is asked apart. */
  leads(source: MessageSource): boolean
  /** Whether anything about them hangs on the twin of whoever sent them. */
  readsTwin(source: MessageSource): boolean
  /**
   * The endpoints of a message, each once, in lower case.
   *
   * @param isHeard whether anybody hears telemetry on Event Grid
   */
  select(source: MessageSource, message: MessageView, isHeard: boolean): ReadonlySet<string>
  /** The message as that endpoint gets it: itself, where nothing is added. */
  enrich(endpoint: string, message: HubMessage, twin: unknown): HubMessage
}

interface CompiledRoute {
  readonly endpoint: string
  readonly condition: RouteCondition
}

const sourceOf: Readonly<Record<RouteSource, MessageSource>> = {
  DeviceMessages: 'Telemetry',
  TwinChangeEvents: 'twinChangeEvents',
  DeviceLifecycleEvents: 'deviceLifecycleEvents',
  DeviceConnectionStateEvents: 'deviceConnectionStateEvents',
}

export interface PlanOptions {
  readonly hubName: string
  /** Somebody keeps what is led to the built-in endpoint. */
  readonly hasBuiltIn: boolean
}

export function compilePlan(routing: HubRouting, { hubName, hasBuiltIn }: PlanOptions): Plan {
  const routes = new Map<MessageSource, CompiledRoute[]>()
  let toEventGrid: CompiledRoute | 'never' | undefined
  for (const route of routing.routes) {
    const compiled = compile(route)
    if (compiled.endpoint === eventGridEndpoint) toEventGrid = route.isEnabled ? compiled : 'never'
    else if (route.isEnabled) {
      const source = sourceOf[route.source]
      routes.set(source, [...(routes.get(source) ?? []), compiled])
    }
  }
  const fallback = fallbackOf(routing)
  const enrichments = compileEnrichments(routing.enrichments, hubName)
  const isThere = ({ endpoint }: CompiledRoute) => hasBuiltIn || endpoint !== builtInEndpoint
  const readsTwin = new Set<MessageSource>()
  for (const source of Object.values(sourceOf)) {
    const asked = [...(routes.get(source) ?? [])]
    if (source === 'Telemetry') {
      if (fallback) asked.push(fallback)
      if (toEventGrid !== 'never') asked.push(toEventGrid ?? always)
    }
    const isAsked = asked.some(
      ({ endpoint, condition }) =>
        condition.readsTwin || enrichments.get(endpoint)?.some(({ path }) => path !== undefined),
    )
    if (isAsked) readsTwin.add(source)
  }
  return {
    leads: (source) =>
      (routes.get(source)?.some(isThere) ?? false) ||
      (source === 'Telemetry' && fallback !== undefined && isThere(fallback)),
    readsTwin: (source) => readsTwin.has(source),
    select(source, message, isHeard) {
      const selected = new Set<string>()
      for (const { endpoint, condition } of routes.get(source) ?? [])
        if (!selected.has(endpoint) && condition.holds(message)) selected.add(endpoint)
      if (source !== 'Telemetry') return selected
      if (selected.size === 0 && fallback?.condition.holds(message)) selected.add(fallback.endpoint)
      if (isHeard && toEventGrid !== 'never' && (toEventGrid?.condition.holds(message) ?? true))
        selected.add(eventGridEndpoint)
      return selected
    },
    enrich: (endpoint, message, twin) => enriched(message, enrichments.get(endpoint), twin),
  }
}

const compile = ({ condition, endpointName }: MessageRoute): CompiledRoute => ({
  endpoint: endpointName.toLowerCase(),
  condition: compileRouteCondition(condition),
})

const always: CompiledRoute = { endpoint: eventGridEndpoint, condition: compileRouteCondition('true') }

/** Without any route of its own a hub leads telemetry to its built-in endpoint. */
function fallbackOf({ routes, fallback }: HubRouting): CompiledRoute | undefined {
  if (fallback.isEnabled) return compile(fallback)
  return routes.length === 0 ? { ...always, endpoint: builtInEndpoint } : undefined
}

// ---------------------------------------------------------------- enrichments

interface CompiledEnrichment {
  readonly key: string
  readonly value: string
  /** Where the value is in the twin; undefined: it is what is written. */
  readonly path: readonly string[] | undefined
}

function compileEnrichments(
  enrichments: readonly Enrichment[],
  hubName: string,
): ReadonlyMap<string, readonly CompiledEnrichment[]> {
  const compiled = new Map<string, CompiledEnrichment[]>()
  for (const { key, value, endpointNames } of enrichments) {
    const isInTwin = /^\$twin\.(tags|properties\.desired|properties\.reported)(\.|$)/i.test(value)
    const enrichment = {
      key,
      value: value.toLowerCase() === '$iothubname' ? hubName : value,
      path: isInTwin ? value.split('.').slice(1) : undefined,
    }
    for (const name of endpointNames)
      compiled.set(name.toLowerCase(), [...(compiled.get(name.toLowerCase()) ?? []), enrichment])
  }
  return compiled
}

/** Where the twin has nothing at a path, the path itself is stamped. */
function enriched(
  message: HubMessage,
  enrichments: readonly CompiledEnrichment[] | undefined,
  twin: unknown,
): HubMessage {
  if (!enrichments) return message
  const properties = new Map(Object.entries(message.properties))
  for (const { key, value, path } of enrichments) properties.set(key, (path && textAt(twin, path)) ?? value)
  return { ...message, properties: Object.fromEntries(properties) }
}

function textAt(twin: unknown, path: readonly string[]): string | undefined {
  const found = memberAt(twin, path)
  if (found === undefined || found === null) return undefined
  return typeof found === 'string' ? found : JSON.stringify(found)
}
