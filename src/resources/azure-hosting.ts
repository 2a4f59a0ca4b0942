import { notSupported } from '../wire/errors.ts'
import { type Fields, readArray, readEnum, readObject } from '../wire/shape.ts'
import type { EnvelopeRules } from './resource-type.ts'

/*
 * What a topic or domain may say of where Azure is to run it, and how. Busbar runs all of them itself: what means the
 * same is taken, as `az` sends it each time, and anything else is refused.
 *
 * Source: the description of Microsoft.EventGrid 2021-10-15-preview, "ResourceSku", "ResourceKind", "ExtendedLocation"
 */

/** Members beside `properties`. @param members those that the type has */
export function azureHosting(...members: readonly ('sku' | 'kind' | 'extendedLocation')[]): EnvelopeRules {
  return {
    check(body) {
      if (members.includes('sku')) checkSku(body)
      if (members.includes('kind') && readEnum(body, 'kind', ['Azure', 'AzureArc']) === 'AzureArc')
        throw notSupported('kind', "'AzureArc', a topic on a Kubernetes cluster,", "Use 'Azure'.")
      if (members.includes('extendedLocation') && body.raw('extendedLocation') !== undefined)
        throw notSupported('extendedLocation', 'An extended location')
    },
    encode(apiVersion) {
      if (!apiVersion?.endsWith('-preview')) return {}
      const since = (first: string, name: string, value: unknown) =>
        members.some((member) => member === name) && apiVersion >= first ? { [name]: value } : {}
      return {
        ...since('2020-04-01-preview', 'sku', { name: 'Basic' }),
        ...since('2020-10-15-preview', 'kind', 'Azure'),
        ...since('2020-10-15-preview', 'extendedLocation', null),
      }
    },
  }
}

function checkSku(body: Fields): void {
  const sku = readObject(body, 'sku')
  const name = sku && readEnum(sku, 'name', ['Basic', 'Premium'])
  if (sku && name === 'Premium') throw notSupported(sku.at('name'), "'Premium'", "Use 'Basic'.")
}

/**
 * Members of `properties`, of newer previews.
 *
 * Source: the description of Microsoft.EventGrid 2025-07-15-preview, "encryption", "platformCapabilities"
 */
export function refuseOwnHardware(properties: Fields): void {
  const encryption = readObject(properties, 'encryption')
  if (encryption && (readArray(encryption, 'customerManagedKeyEncryption', keys) ?? []).length > 0)
    throw notSupported(encryption.at('customerManagedKeyEncryption'), 'Encryption with a key of a key vault')
  const computing = modeOf(properties)
  if (computing) throw notSupported(computing, "'Enabled', confidential computing,", "Use 'Disabled'.")
}

const keys = 100

/** Path of the mode that asks for confidential computing. */
function modeOf(properties: Fields): string | undefined {
  const capabilities = readObject(properties, 'platformCapabilities')
  const compute = capabilities && readObject(capabilities, 'confidentialCompute')
  return compute && readEnum(compute, 'mode', ['Enabled', 'Disabled']) === 'Enabled'
    ? compute.at('mode')
    : undefined
}
