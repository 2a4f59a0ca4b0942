import { invalidProperty } from '../wire/errors.ts'
import { type Fields, fields, isObject, readEnum, readObject, readString } from '../wire/shape.ts'

const inlineTypes = 1000
const inlineTextCharacters = 2048

/** Documentation for people and portals: kept and given back, nothing acts on it. */
export function decodeEventTypeInfo(from: Fields): unknown {
  const info = readObject(from, 'eventTypeInfo')
  if (!info) return null
  const kind = readEnum(info, 'kind', ['Inline']) ?? 'Inline'
  const path = info.at('inlineEventTypes')
  const types = info.raw('inlineEventTypes') ?? {}
  if (!isObject(types)) throw invalidProperty(path, 'an object', types)
  const names = Object.entries(types)
  if (names.length > inlineTypes)
    throw invalidProperty(path, `an object of at most ${inlineTypes} members`, `${names.length} members`)
  const members = ['displayName', 'description', 'documentationUrl', 'dataSchemaUrl']
  const decoded = names.map(([name, value]) => {
    const one = fields(value, `${path}.${name}`)
    return [
      name,
      Object.fromEntries(
        members.map((member) => [member, readString(one, member, inlineTextCharacters) ?? null]),
      ),
    ]
  })
  return { kind, inlineEventTypes: Object.fromEntries(decoded) as unknown }
}
