import { hash } from 'node:crypto'
import type { StoredResource } from './resource-type.ts'

/**
 * The entity tag that a resource of some providers has in its body, where their clients look for what to send as
 * `If-Match`. Another one after each change.
 */
export const bodyEtagOf = ({
  uid,
  changedAt,
  properties,
}: Pick<StoredResource, 'uid' | 'changedAt' | 'properties'>): string =>
  hash('sha256', JSON.stringify([uid, changedAt, properties]), 'base64').slice(0, 24)
