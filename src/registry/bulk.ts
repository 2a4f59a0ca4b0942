import { isObject, type WireObject } from '../wire/shape.ts'
import { HubError, invalid } from './errors.ts'
import { checkId, decodeIdentity, decodeTwinChange } from './identity.ts'
import type { Etag, IdentityName, Registry } from './registry.ts'
import { checkSection } from './twin.ts'

/*
 * Many registry operations in one request; each stands for itself.
 *
 * Source: learn.microsoft.com/azure/iot-hub/iot-hub-bulk-identity-mgmt
 */

export const bulkMost = 100

const modes = [
  'create',
  'update',
  'updateIfMatchETag',
  'delete',
  'deleteIfMatchETag',
  'updateTwin',
  'updateTwinIfMatchETag',
] as const

export interface BulkResult {
  readonly isSuccessful: boolean
  readonly errors: readonly BulkFailure[]
  readonly warnings: readonly never[]
}

export interface BulkFailure {
  readonly deviceId: string
  readonly errorCode: number
  readonly errorStatus: string
  readonly moduleId?: string
  readonly operation?: string
}

/** @param decodeEtag of identities, and of twins; see `If-Match` */
export async function runBulk(
  registry: Registry,
  body: unknown,
  decodeEtag: (text: string | undefined, kind: 'identity' | 'twin') => Etag,
): Promise<BulkResult> {
  if (!Array.isArray(body) || body.length === 0 || body.length > bulkMost)
    throw invalid(
      'The body',
      `an array of 1 to ${bulkMost} devices`,
      Array.isArray(body) ? body.length : body,
    )
  // Those of one device follow each other, in the order of the request.
  const outcomes = await Promise.all(body.map((item: unknown) => runItem(registry, item, decodeEtag)))
  const errors = outcomes.filter((outcome) => outcome !== undefined)
  return { isSuccessful: errors.length === 0, errors, warnings: [] }
}

async function runItem(
  registry: Registry,
  item: unknown,
  decodeEtag: (text: string | undefined, kind: 'identity' | 'twin') => Etag,
): Promise<BulkFailure | undefined> {
  const { id, moduleId, importMode, eTag, etag, twinETag } = isObject(item) ? item : ({} as never)
  const deviceId = typeof id === 'string' ? id : ''
  const module = typeof moduleId === 'string' && moduleId !== '' ? moduleId : undefined
  try {
    const name: IdentityName = {
      deviceId: checkId(deviceId, 'deviceId'),
      ...(module !== undefined && { moduleId: checkId(module, 'moduleId') }),
    }
    const mode = modes.find((each) => each.toLowerCase() === text(importMode)?.toLowerCase())
    if (!mode) throw invalid('importMode', `one of ${modes.join(', ')}`, importMode)
    const identityEtag = () => decodeEtag(text(eTag ?? etag), 'identity')
    const twin = () => decodeTwinChange(item, checkSection)
    switch (mode) {
      case 'create':
        await registry.create(name, decodeIdentity(item), twin())
        break
      case 'update':
      case 'updateIfMatchETag':
        await registry.update(name, decodeIdentity(item), mode === 'update' ? undefined : identityEtag())
        break
      case 'delete':
      case 'deleteIfMatchETag':
        await registry.remove(name, mode === 'delete' ? undefined : identityEtag())
        break
      case 'updateTwin':
      case 'updateTwinIfMatchETag':
        await registry.changeTwin(
          name,
          twin(),
          'patch',
          mode === 'updateTwin' ? undefined : decodeEtag(text(twinETag), 'twin'),
        )
    }
    return undefined
  } catch (error) {
    if (!(error instanceof HubError)) throw error
    return {
      deviceId,
      errorCode: error.number,
      errorStatus: error.message,
      ...(module !== undefined && { moduleId: module }),
    }
  }
}

/**
 * One line of an import, which knows two modes more: a device that is there is updated, its twin too where the line has
 * one. Undefined: it is done.
 */
export async function importItem(
  registry: Registry,
  item: unknown,
  decodeEtag: (text: string | undefined, kind: 'identity' | 'twin') => Etag,
): Promise<BulkFailure | undefined> {
  const { importMode, ...line } = isObject(item) ? item : ({} as WireObject)
  const mode = importMode == null ? 'createorupdate' : (text(importMode)?.toLowerCase() ?? '')
  const isMatched = mode === 'createorupdateifmatchetag'
  if (mode !== 'createorupdate' && !isMatched) return runItem(registry, item, decodeEtag)
  const run = (next: string) => runItem(registry, { ...line, importMode: next }, decodeEtag)
  const made = await run('create')
  if (!made || !existing.has(made.errorCode)) return made
  const updated = await run(isMatched ? 'updateIfMatchETag' : 'update')
  if (updated || (line.tags == null && line.properties == null)) return updated
  return run(isMatched ? 'updateTwinIfMatchETag' : 'updateTwin')
}

/** DeviceAlreadyExists and ModuleAlreadyExistsOnDevice. */
const existing: ReadonlySet<number> = new Set([409_001, 409_301])

const text = (value: unknown) => (typeof value === 'string' ? value : undefined)
