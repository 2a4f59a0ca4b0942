import type { GridEvent } from '../event/event.ts'
import { equalsFolded } from './text.ts'

/** Reads one value of an event; undefined where there is none. */
export type ReadKey = (event: GridEvent) => unknown

/**
 * Makes the reader of a filter's key: a name of the envelope, an extension attribute, or a path into `data` such as
 * `data.device.key1`. Names are matched exactly first, then ignoring case. The dot has no escape, and paths do
 * not lead into arrays.
 *
 * Source: learn.microsoft.com/azure/event-grid/event-filtering, "Key"
 */
export function compileKey(key: string): ReadKey {
  const [first = '', ...path] = key.split('.')
  const name = first.toLowerCase()
  if (path.length === 0)
    return envelopeReaders.get(name) ?? (({ envelope }) => memberOf(envelope, first, name))
  const foldedPath = path.map((part) => part.toLowerCase())
  return ({ envelope }) => {
    let value = memberOf(envelope, first, name)
    for (let depth = 0; depth < path.length; depth++) {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
      value = memberOf(
        value as Readonly<Record<string, unknown>>,
        path[depth] as string,
        foldedPath[depth] as string,
      )
    }
    return value
  }
}

/** Names of both schemas, and the older ones that are documented too, under their lower-case forms. */
const envelopeReaders: ReadonlyMap<string, ReadKey> = new Map<string, ReadKey>([
  ['id', ({ id }) => id],
  ['eventid', ({ id }) => id],
  ['type', ({ type }) => type],
  ['eventtype', ({ type }) => type],
  ['subject', ({ envelope }) => envelope['subject']],
  ['dataversion', ({ envelope }) => envelope['dataVersion']],
  ['eventtypeversion', ({ envelope }) => envelope['dataVersion']],
  ['time', ({ envelope }) => envelope['time'] ?? envelope['eventTime']],
  ['eventtime', ({ envelope }) => envelope['eventTime'] ?? envelope['time']],
])

function memberOf(object: Readonly<Record<string, unknown>>, name: string, folded: string): unknown {
  if (Object.hasOwn(object, name)) return object[name]
  for (const other in object) if (equalsFolded(other, folded)) return object[other]
  return undefined
}
