import type { StoredCatalog, VersionedResource } from '../catalog/stored-catalog.ts'
import { type LockProperties, managementLocks } from '../resources/management-locks.ts'
import { levelsOf } from '../wire/arm-id.ts'
import { gatewayError } from './errors.ts'

/*
 * What locks forbid. A lock holds for what it stands on and for everything within; a delete is held up by a lock on
 * something within as well, which would go too.
 *
 * Source: learn.microsoft.com/azure/azure-resource-manager/management/lock-resources
 */

const { type } = managementLocks
const listed = 10

/** Throws `ScopeLocked` where a lock forbids it. @param id canonical */
export function checkUnlocked(catalog: StoredCatalog, id: string, operation: 'write' | 'delete'): void {
  if (catalog.count(type, '') === 0) return
  const locks: string[] = []
  for (const level of levelsOf(id))
    for (const { resource } of catalog.below(type, `${level.id}/providers/${type}/`))
      if (operation === 'delete' || levelOf(resource) === 'ReadOnly') locks.push(resource.id)
  if (operation === 'delete')
    for (const { resource } of catalog.below(type, `${id}/`)) {
      if (locks.length >= listed) break
      if (!locks.includes(resource.id)) locks.push(resource.id)
    }
  if (locks.length === 0) return
  const scopes = [...new Set(locks.map(scopeOf))]
  throw gatewayError(
    409,
    'ScopeLocked',
    `The scope '${id}' cannot perform ${operation} operation because following scope(s) are locked: '${scopes.join(',')}'. Please remove the lock and try again. Locks: '${locks.join(',')}'.`,
  )
}

const levelOf = ({ properties }: VersionedResource['resource']) =>
  (properties as unknown as LockProperties).level

const scopeOf = (lockId: string) => lockId.slice(0, lockId.lastIndexOf(`/providers/${type}/`))

/** Those on a scope and within it, after the key `after`; on the scope alone where the filter says `atScope()`. */
export function locksFor(
  catalog: StoredCatalog,
  scope: string,
  filter: string | undefined,
): (after: string | undefined) => Iterable<VersionedResource> {
  const asked = filter?.trim().toLowerCase() ?? ''
  if (asked !== '' && asked !== 'atscope()')
    throw gatewayError(
      400,
      'InvalidFilterInQueryString',
      `Invalid $filter in the query string: locks can be filtered by atScope() alone, not by '${asked.slice(0, 80)}'.`,
    )
  const prefix = asked === '' ? `${scope}/` : `${scope}/providers/${type}/`
  return (after) => catalog.below(type, prefix, after)
}
