import type { AdvancedFilter } from '../../filter/filter.ts'
import { invalidProperty, invalidRequest } from '../../wire/errors.ts'
import {
  checkString,
  type Fields,
  fields,
  type Item,
  readArray,
  readEnum,
  readString,
} from '../../wire/shape.ts'

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

/** @param name of the member that holds them */
export function decodeAdvancedFilters(
  from: Fields,
  name: 'advancedFilters' | 'filters' = 'advancedFilters',
): readonly AdvancedFilter[] | null {
  const items = readArray(from, name, filterLimits.advancedFilters)
  if (!items || items.length === 0) return null
  const filters = items.map(decodeAdvancedFilter)
  const valueCount = filters.reduce((sum, filter) => sum + countValues(filter), 0)
  if (valueCount > filterLimits.filterValues)
    throw invalidProperty(
      from.at(name),
      `filters with at most ${filterLimits.filterValues} values in all`,
      `${valueCount} values`,
    )
  return filters
}

const countValues = ({ value, values }: AdvancedFilter) => values?.length ?? (value === undefined ? 0 : 1)

function decodeAdvancedFilter({ value: wire, path }: Item): AdvancedFilter {
  const from = fields(wire, path)
  const operatorType = readEnum(from, 'operatorType', operatorTypes)
  if (operatorType === undefined)
    throw invalidProperty(from.at('operatorType'), `one of ${operatorTypes.join(', ')}`, undefined)
  const key = readString(from, 'key', filterLimits.keyCharacters)
  if (key === undefined || key.trim() === '')
    throw invalidProperty(from.at('key'), 'the name of a field, such as subject or data.color', key)
  const payload: Payload = payloads[operatorType]
  refuseOthers(from, operatorType, payload)
  return { operatorType, key, ...decodePayload(from, payload) }
}

const memberOf = (payload: Payload) => {
  if (payload === 'none') return undefined
  return payload === 'number' || payload === 'boolean' ? 'value' : 'values'
}

function refuseOthers(from: Fields, operatorType: OperatorType, payload: Payload): void {
  const wanted = memberOf(payload)
  for (const member of ['value', 'values'])
    if (member !== wanted && from.raw(member) !== undefined)
      throw invalidRequest(
        `The operator ${operatorType} takes ${wanted === undefined ? 'no value' : `'${wanted}'`}; '${from.at(member)}' must be left out.`,
        from.at(member),
      )
}

function decodePayload(from: Fields, payload: Payload): Pick<AdvancedFilter, 'value' | 'values'> {
  switch (payload) {
    case 'none':
      return {}
    case 'number':
      return { value: checkNumber({ value: from.raw('value'), path: from.at('value') }) }
    case 'boolean': {
      const value = from.raw('value')
      if (typeof value !== 'boolean') throw invalidProperty(from.at('value'), 'true or false', value)
      return { value }
    }
    case 'numbers':
      return { values: readValues(from, 'numbers').map(checkNumber) }
    case 'ranges':
      return { values: readValues(from, 'ranges [low, high]').map(checkRange) }
    default:
      return { values: readValues(from, 'strings').map(checkText) }
  }
}

const checkText = ({ value, path }: Item) => checkString(value, path, filterLimits.valueCharacters)

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
