import type { Operator } from '../operator.ts'
import { boolEquals } from './bool-equals.ts'
import { isNotNull } from './is-not-null.ts'
import { isNullOrUndefined } from './is-null-or-undefined.ts'
import { numberGreaterThan } from './number-greater-than.ts'
import { numberGreaterThanOrEquals } from './number-greater-than-or-equals.ts'
import { numberIn } from './number-in.ts'
import { numberInRange } from './number-in-range.ts'
import { numberLessThan } from './number-less-than.ts'
import { numberLessThanOrEquals } from './number-less-than-or-equals.ts'
import { numberNotIn } from './number-not-in.ts'
import { numberNotInRange } from './number-not-in-range.ts'
import { stringBeginsWith } from './string-begins-with.ts'
import { stringContains } from './string-contains.ts'
import { stringEndsWith } from './string-ends-with.ts'
import { stringIn } from './string-in.ts'
import { stringNotBeginsWith } from './string-not-begins-with.ts'
import { stringNotContains } from './string-not-contains.ts'
import { stringNotEndsWith } from './string-not-ends-with.ts'
import { stringNotIn } from './string-not-in.ts'

/** Every operator under its wire name. To add one: write the file, add the line. */
export const operators = {
  NumberIn: numberIn,
  NumberNotIn: numberNotIn,
  NumberLessThan: numberLessThan,
  NumberGreaterThan: numberGreaterThan,
  NumberLessThanOrEquals: numberLessThanOrEquals,
  NumberGreaterThanOrEquals: numberGreaterThanOrEquals,
  NumberInRange: numberInRange,
  NumberNotInRange: numberNotInRange,
  BoolEquals: boolEquals,
  StringIn: stringIn,
  StringNotIn: stringNotIn,
  StringContains: stringContains,
  StringNotContains: stringNotContains,
  StringBeginsWith: stringBeginsWith,
  StringNotBeginsWith: stringNotBeginsWith,
  StringEndsWith: stringEndsWith,
  StringNotEndsWith: stringNotEndsWith,
  IsNullOrUndefined: isNullOrUndefined,
  IsNotNull: isNotNull,
} satisfies Record<string, Operator>
