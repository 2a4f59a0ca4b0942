import { nameInId } from '../wire/arm-id.ts'
import { invalidProperty, invalidRequest } from '../wire/errors.ts'
import { type Fields, fields, readArray, readEnum, readObject, readString } from '../wire/shape.ts'
import { readUserAssignedIdentity } from './event-subscriptions/resource-identity.ts'
import type { StoredResource } from './resource-type.ts'

/** A name of the operator's own under which a namespace is reached. */
export interface CustomDomain {
  /** In lower case. */
  readonly fullyQualifiedDomainName: string
  /** Kept for clients that send it back. The server's own certificate serves the name. */
  readonly certificateUrl: string | null
  readonly identity: {
    readonly type: 'SystemAssigned' | 'UserAssigned'
    readonly userAssignedIdentity: string | null
  } | null
}

const domains = 100
const nameCharacters = 253
const urlCharacters = 2048
const name = /^(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/

/** Source: learn.microsoft.com/azure/event-grid/assign-custom-domain-name */
export function decodeCustomDomains(from: Fields): readonly CustomDomain[] | null {
  const items = readArray(from, 'customDomains', domains)
  if (!items) return null
  return items.map(({ value, path }) => {
    const entry = fields(value, path)
    const given = readString(entry, 'fullyQualifiedDomainName', nameCharacters)?.trim().toLowerCase()
    if (given === undefined || !name.test(given))
      throw invalidProperty(
        entry.at('fullyQualifiedDomainName'),
        'a domain name such as events.contoso.com',
        entry.raw('fullyQualifiedDomainName'),
      )
    const identity = readObject(entry, 'identity')
    return {
      fullyQualifiedDomainName: given,
      certificateUrl: readString(entry, 'certificateUrl', urlCharacters) ?? null,
      identity: identity
        ? {
            type: readEnum(identity, 'type', ['SystemAssigned', 'UserAssigned']) ?? 'SystemAssigned',
            userAssignedIdentity: readUserAssignedIdentity(identity) ?? null,
          }
        : null,
    }
  })
}

/**
 * A name leads to one place: no two of these may be the same, whether of one namespace or of several.
 *
 * @param others other namespaces
 */
export function refuseTakenDomains(
  mine: readonly { readonly domains: readonly CustomDomain[] | null; readonly path: string }[],
  others: Iterable<StoredResource>,
): void {
  const taken = new Map<string, string>()
  for (const { id, properties } of others)
    for (const member of ['topicsConfiguration', 'topicSpacesConfiguration'])
      for (const { fullyQualifiedDomainName } of domainsIn(properties[member]))
        taken.set(fullyQualifiedDomainName, `the namespace '${nameInId(id)}'`)
  for (const { domains: own, path } of mine)
    for (const { fullyQualifiedDomainName } of own ?? []) {
      const by = taken.get(fullyQualifiedDomainName)
      if (by !== undefined)
        throw invalidRequest(`The domain name '${fullyQualifiedDomainName}' leads to ${by} already.`, path)
      taken.set(fullyQualifiedDomainName, `'${path}'`)
    }
}

const domainsIn = (configuration: unknown): readonly CustomDomain[] =>
  (configuration as { readonly customDomains?: readonly CustomDomain[] | null } | null)?.customDomains ?? []

/** With what the service adds. The operator's word is taken for who owns the name: it is the operator's server. */
export const encodeCustomDomains = (customDomains: readonly CustomDomain[] | null) =>
  customDomains?.map((domain) => ({
    ...domain,
    validationState: 'Approved',
    expectedTxtRecordName: `_eg.${domain.fullyQualifiedDomainName}`,
    expectedTxtRecordValue: null,
  })) ?? null
