import { isObject, type WireObject } from '../wire/shape.ts'
import { isGenericExtension } from './generic-providers.ts'
import { neighbourOf } from './neighbours/index.ts'
import type { Content, ResourceType } from './resource-type.ts'
import { joinSecrets, splitSecrets } from './secret-members.ts'

/*
 * Resources of providers that Busbar does not run: stored, listed and answered as they were given, so that templates
 * and scripts which make them beside topics go through. Nothing runs behind them.
 *
 * Source: learn.microsoft.com/rest/api/resources/resources
 */

/** Members beside `properties` that are kept as they come. */
const topLevel = ['sku', 'kind', 'plan', 'managedBy', 'zones', 'extendedLocation']

/** @param type such as `Microsoft.Web/sites/config`; that of a child has more than one word behind the namespace */
export function genericType(type: string): ResourceType {
  const isChild = type.split('/').length > 2
  const isExtension = isGenericExtension(type)
  return {
    type,
    childForms: [],
    scope: isChild ? 'child' : 'group',
    extension: undefined,
    generic: true,
    topLevel,
    tracked: !isChild,
    mayBeGlobal: true,
    hasIdentity: !isChild,
    name: {
      pattern: /^[^<>%&:\\?/\p{Cc}]{1,260}$/u,
      rule: '1 to 260 characters without < > % & : \\ ? / and control characters',
    },
    reservedPrefixes: [],
    longRunning: true,
    statuses: { create: 201, replace: 200, update: 200 },
    unique: undefined,
    quota: undefined,
    companion: undefined,
    decode: (wire, { name }) => splitSecrets(`${type}/${name}`, withoutState(wire)),
    patch: patchGeneric,
    encode: ({ properties, provisioningState }) => ({ ...properties, provisioningState }),
    actions: {},
    notFound: undefined,
    verification: undefined,
    expiresAt: undefined,
    example: { name: 'thing', body: { location: 'westus2', properties: { a: 1 } } },
    ...(isExtension && extensionRules),
    ...neighbourOf(type),
  }
}

/** Of what stands on whatever there is, as an alert rule does. */
const extensionRules = {
  scope: 'extension',
  tracked: false,
  extension: { refuses: () => undefined, onUnlisted: true, childOnlyOf: [] },
} as const satisfies Partial<ResourceType>

/** `provisioningState` is the server's to say. */
const withoutState = (wire: WireObject): WireObject =>
  Object.fromEntries(Object.entries(wire).filter(([name]) => name.toLowerCase() !== 'provisioningstate'))

function patchGeneric(body: WireObject, before: Content): WireObject {
  return mergePatch(joinSecrets(before), body.properties ?? {}) as WireObject
}

/** Source: RFC 7396, section 2. */
function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch
  const merged = new Map(Object.entries(isObject(target) ? target : {}))
  for (const [name, value] of Object.entries(patch))
    if (value === null) merged.delete(name)
    else merged.set(name, mergePatch(merged.get(name), value))
  return Object.fromEntries(merged)
}
