import { isObject, type WireObject } from '../wire/shape.ts'
import type { Content } from './resource-type.ts'

/*
 * Secrets in the properties of resources that Busbar does not run. Which members are secret is known to the provider
 * alone; here they are told by their names, as providers call them. They are kept apart, sealed, and no GET tells them,
 * as none does on Azure.
 */

const secretName =
  /(password|passwd|pwd|secret|secretvalue|connectionstring|token|sasuri|sasurl|protectedsettings|(access|account|api|encryption|function|host|master|primary|private|secondary|shared|storage|storageaccount|symmetric|workspace)key)$/i

/** Where members have secret values under names that say nothing: by type and name, and by what the member is called. */
const secretPlaces: readonly (readonly [RegExp, RegExp])[] = [
  [/^Microsoft\.KeyVault\/vaults\/secrets\//i, /^value$/i],
  // Their owner gave them their names.
  [/^Microsoft\.Web\/sites(\/slots)?\/config\/(appsettings|connectionstrings)$/i, /./],
]

/** In `{name, value}` and the like, these hold a setting of any name. */
const settingLists = /^(appsettings|connectionstrings|secureenvironmentvariables|secrets)$/i
const settingValue = /^(value|securevalue|connectionstring)$/i

const sasName = /(^sas|[a-z0-9]Sas)$/

/** @param place the type and the name, such as `Microsoft.KeyVault/vaults/secrets/password-of-ada` */
export function splitSecrets(place: string, properties: WireObject): Content {
  const secrets: Record<string, string> = {}
  const ofPlace = secretPlaces.find(([pattern]) => pattern.test(place))?.[1]
  const isSecret = (name: string, value: unknown, listed: boolean) =>
    value !== null &&
    value !== '' &&
    (secretName.test(name) ||
      sasName.test(name) ||
      ofPlace?.test(name) === true ||
      (listed && settingValue.test(name)))
  const copy = (value: unknown, path: readonly (string | number)[], listed: boolean): unknown => {
    if (Array.isArray(value)) return value.map((item, index) => copy(item, [...path, index], listed))
    if (!isObject(value)) return value
    const kept: [string, unknown][] = []
    for (const [name, member] of Object.entries(value)) {
      const at = [...path, name]
      const isSetting = settingLists.test(name) && typeof member === 'object'
      if (!isSetting && isSecret(name, member, listed)) secrets[JSON.stringify(at)] = JSON.stringify(member)
      else kept.push([name, copy(member, at, isSetting || listed)])
    }
    return Object.fromEntries(kept)
  }
  return { properties: copy(properties, [], false) as WireObject, secrets }
}

/** The properties as they were given. */
export function joinSecrets({ properties, secrets }: Content): WireObject {
  const whole = structuredClone(properties) as Record<string, unknown>
  for (const [path, value] of Object.entries(secrets)) {
    const at = JSON.parse(path) as (string | number)[]
    const last = at.pop() as string
    let owner: Record<string | number, unknown> | undefined = whole
    for (const step of at)
      owner = owner && Object.hasOwn(owner, step) ? (owner[step] as typeof owner) : undefined
    if (owner) Object.defineProperty(owner, last, { value: JSON.parse(value), ...asOwn })
  }
  return whole
}

/** Whatever it is called, it becomes a member. */
const asOwn = { enumerable: true, configurable: true, writable: true }
