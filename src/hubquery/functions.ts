import { textMost } from './expression.ts'

/*
 * The functions of the query language, by their names in upper case. An argument of another type than a function
 * takes makes the result undefined, as anything that is not there does.
 *
 * Source: learn.microsoft.com/azure/iot-hub/iot-hub-devguide-query-language, "Functions"
 */

export interface QueryFunction {
  readonly least: number
  readonly most: number
  readonly call: (values: readonly unknown[]) => unknown
}

const one = (call: (value: unknown) => unknown): QueryFunction => ({
  least: 1,
  most: 1,
  call: ([value]) => call(value),
})

const ofNumber = (call: (value: number) => number): QueryFunction =>
  one((value) => (typeof value === 'number' ? finite(call(value)) : undefined))

const ofText = (call: (value: string) => unknown): QueryFunction =>
  one((value) => (typeof value === 'string' ? call(value) : undefined))

const ofTwoTexts = (call: (value: string, other: string) => unknown): QueryFunction => ({
  least: 2,
  most: 2,
  call: ([value, other]) =>
    typeof value === 'string' && typeof other === 'string' ? call(value, other) : undefined,
})

const finite = (value: number) => (Number.isFinite(value) ? value : undefined)
const isObject = (value: unknown) => typeof value === 'object' && value !== null && !Array.isArray(value)

export const functions: Readonly<Record<string, QueryFunction>> = {
  IS_DEFINED: one((value) => value !== undefined),
  IS_ARRAY: one((value) => Array.isArray(value)),
  IS_BOOL: one((value) => typeof value === 'boolean'),
  IS_NULL: one((value) => value === null),
  IS_NUMBER: one((value) => typeof value === 'number'),
  IS_OBJECT: one(isObject),
  IS_PRIMITIVE: one((value) => value === null || ['string', 'number', 'boolean'].includes(typeof value)),
  IS_STRING: one((value) => typeof value === 'string'),
  ABS: ofNumber(Math.abs),
  EXP: ofNumber(Math.exp),
  SQUARE: ofNumber((value) => value * value),
  CEILING: ofNumber(Math.ceil),
  FLOOR: ofNumber(Math.floor),
  SIGN: ofNumber(Math.sign),
  SQRT: ofNumber(Math.sqrt),
  POWER: {
    least: 2,
    most: 2,
    call: ([value, power]) =>
      typeof value === 'number' && typeof power === 'number' ? finite(value ** power) : undefined,
  },
  // Its values come from devices: no two parts of the pattern may take the same digits or spaces.
  AS_NUMBER: ofText((value) =>
    /^\s*[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[-+]?\d+)?\s*$/i.test(value) ? Number(value) : undefined,
  ),
  CONCAT: {
    least: 2,
    most: 100,
    call: (values) => {
      if (!values.every((value) => typeof value === 'string')) return undefined
      const length = values.reduce((sum, value) => sum + value.length, 0)
      return length > textMost ? undefined : values.join('')
    },
  },
  LENGTH: ofText((value) => value.length),
  LOWER: ofText((value) => value.toLowerCase()),
  UPPER: ofText((value) => value.toUpperCase()),
  SUBSTRING: {
    least: 2,
    most: 3,
    call: ([value, start, length]) => {
      if (typeof value !== 'string' || typeof start !== 'number' || start < 0) return undefined
      if (length === undefined) return value.slice(start)
      return typeof length === 'number' && length >= 0 ? value.slice(start, start + length) : undefined
    },
  },
  INDEX_OF: ofTwoTexts((value, part) => value.indexOf(part)),
  STARTS_WITH: ofTwoTexts((value, part) => value.startsWith(part)),
  ENDS_WITH: ofTwoTexts((value, part) => value.endsWith(part)),
  CONTAINS: ofTwoTexts((value, part) => value.includes(part)),
}
