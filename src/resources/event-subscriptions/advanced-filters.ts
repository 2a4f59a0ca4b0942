import type { AdvancedFilter } from '../../filter/filter.ts'
import { invalidProperty, invalidRequest } from '../errors.ts'
import { checkString, type Fields, fields, type Item, readArray, readEnum, readString } from '../shape.ts'

/** What an operator compares with: the member of the filter and its type. */
type Payload = 'number' | 'numbers' | 'ranges' | 'boolean' | 'strings' | 'none'

/** Source: learn.microsoft.com/azure/event-grid/event-filtering, "Advanced filtering" */
const payloads = {
  NumberIn: 'numbers',
  NumberNotIn: 'numbers',
  NumberLessThan: 'number',
  NumberGreaterThan: 'number',
  NumberLessThanOrEquals: 'number',
  NumberGreaterThanOrEquals: 'number',
  NumberInRange: 'ranges',
  NumberNotInRange: 'ranges',
  BoolEquals: 'boolean',
  StringIn: 'strings',
  StringNotIn: 'strings',
  StringContains: 'strings',
  StringNotContains: 'strings',
  StringBeginsWith: 'strings',
  StringNotBeginsWith: 'strings',
  StringEndsWith: 'strings',
  StringNotEndsWith: 'strings',
  IsNullOrUndefined: 'none',
  IsNotNull: 'none',
} as const satisfies Record<string, Payload>

export type OperatorType = keyof typeof payloads
export const operatorTypes = Object.keys(payloads) as readonly OperatorType[]

/** Source: learn.microsoft.com/azure/event-grid/event-filtering, "Limitations" */
export const filterLimits = {
  advancedFilters: 25,
  /** Over all advanced filters of one event subscription. */
  filterValues: 25,
  valueCharacters: 512,
  keyCharacters: 512,
  includedEventTypes: 1000,
  subjectCharacters: 1024,
} as const

export function decodeAdvancedFilters(from: Fields): readonly AdvancedFilter[] | null {
  const items = readArray(from, 'advancedFilters', filterLimits.advancedFilters)
  if (!items || items.length === 0) return null
  const filters = items.map(decodeAdvancedFilter)
  const values = filters.reduce(
    (sum, { values, value }) => sum + (values?.length ?? +(value !== undefined)),
    0,
  )
  if (values > filterLimits.filterValues)
    throw invalidProperty(
      from.at('advancedFilters'),
      `filters with at most ${filterLimits.filterValues} values in all`,
      `${values} values`,
    )
  return filters
}

function decodeAdvancedFilter({ value: wire, path }: Item): AdvancedFilter {
  const from = fields(wire, path)
  const operatorType = readEnum(from, 'operatorType', operatorTypes)
  if (operatorType === undefined)
    throw invalidProperty(from.at('operatorType'), `one of ${operatorTypes.join(', ')}`, undefined)
  const key = readString(from, 'key', filterLimits.keyCharacters)
  if (key === undefined || key.trim() === '')
    throw invalidProperty(from.at('key'), 'the name of a field, such as subject or data.color', key)
  const payload: Payload = payloads[operatorType]
  const unwanted = payload === 'number' || payload === 'boolean' ? 'values' : 'value'
  for (const member of payload === 'none' ? ['value', 'values'] : [unwanted])
    if (from.raw(member) !== undefined)
      throw invalidRequest(
        `The operator ${operatorType} takes ${payload === 'none' ? 'no value' : `'${unwanted === 'value' ? 'values' : 'value'}'`}; '${from.at(member)}' must be left out.`,
        from.at(member),
      )
  switch (payload) {
    case 'none':
      return { operatorType, key }
    case 'number':
      return { operatorType, key, value: checkNumber({ value: from.raw('value'), path: from.at('value') }) }
    case 'boolean': {
      const value = from.raw('value')
      if (typeof value !== 'boolean') throw invalidProperty(from.at('value'), 'true or false', value)
      return { operatorType, key, value }
    }
    case 'numbers':
      return { operatorType, key, values: readValues(from, 'numbers').map(checkNumber) }
    case 'ranges':
      return { operatorType, key, values: readValues(from, 'ranges [low, high]').map(checkRange) }
    case 'strings':
      return {
        operatorType,
        key,
        values: readValues(from, 'strings').map(({ value, path: at }) =>
          checkString(value, at, filterLimits.valueCharacters),
        ),
      }
  }
}

function readValues(from: Fields, what: string): readonly Item[] {
  const items = readArray(from, 'values', filterLimits.filterValues)
  if (!items || items.length === 0)
    throw invalidProperty(
      from.at('values'),
      `an array of 1 to ${filterLimits.filterValues} ${what}`,
      items && [],
    )
  return items
}

function checkNumber({ value, path }: Item): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw invalidProperty(path, 'a number', value)
  return value
}

function checkRange({ value, path }: Item): readonly [number, number] {
  if (!Array.isArray(value) || value.length !== 2)
    throw invalidProperty(path, 'a range of two numbers [low, high]', value)
  const low = checkNumber({ value: value[0] as unknown, path: `${path}[0]` })
  const high = checkNumber({ value: value[1] as unknown, path: `${path}[1]` })
  if (low > high) throw invalidProperty(path, 'a range whose low end is not above its high end', value)
  return [low, high]
}
