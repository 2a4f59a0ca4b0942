import type { Validator } from 'typebox/schema'
import { show } from '../wire/errors.ts'
import type { DataSchemas } from './data-schemas.ts'

/** One way in which data is not as its event type has it. */
export interface Mismatch {
  /** JSON Pointer into the data; '' for the data itself. */
  readonly pointer: string
  /** Such as `a string or null`. */
  readonly expected: string
  /** JSON, cut short; `nothing` where the member is missing. */
  readonly got: string
}

/** How many mismatches are told of one value. */
const mostMismatches = 5

/** Empty when the data is as the event type has it. */
export type CheckData = (eventType: string, data: unknown) => Promise<readonly Mismatch[]>

/** Checks data against the schemas; each is compiled when first needed, and the compiler is loaded then. */
export function createCheckData(schemas: DataSchemas): CheckData {
  const validators = new Map<string, Validator>()
  return async (eventType, data) => {
    let validator = validators.get(eventType)
    if (!validator) {
      const [{ Compile }, { schema }] = await Promise.all([import('typebox/schema'), schemas.read(eventType)])
      validator = Compile(schema)
      validators.set(eventType, validator)
    }
    if (validator.Check(data)) return []
    const mismatches = validator.Errors(data)[1].flatMap((error) => mismatchesOf(error, data))
    return together(mismatches).slice(0, mostMismatches)
  }
}

type SchemaError = ReturnType<Validator['Errors']>[1][number]

function mismatchesOf(error: SchemaError, data: unknown): readonly Mismatch[] {
  const pointer = error.instancePath
  const got = show(valueAt(data, pointer))
  switch (error.keyword) {
    case 'required':
      return error.params.requiredProperties.map((name) => ({
        pointer: `${pointer}/${escapePointer(name)}`,
        expected: 'a value',
        got: 'nothing',
      }))
    case 'type':
      return [{ pointer, expected: [error.params.type].flat().map(withArticle).join(' or '), got }]
    case 'enum':
      return [{ pointer, expected: `one of ${error.params.allowedValues.map(show).join(', ')}`, got }]
    case 'anyOf':
      return []
    default:
      return [{ pointer, expected: error.message.replace(/^must (be|have) /, ''), got }]
  }
}

/**
 * An object or null is two alternatives to JSON Schema, and what fails both is told of each: in one line where it is
 * neither, and where it is an object only what is wrong with it as one.
 */
function together(mismatches: readonly Mismatch[]): readonly Mismatch[] {
  const places = new Map<string, Mismatch>()
  for (const mismatch of mismatches) {
    const { pointer, expected } = mismatch
    if (mismatches.some((other) => other.pointer.startsWith(`${pointer}/`))) continue
    const before = places.get(pointer)
    places.set(pointer, before ? { ...before, expected: `${before.expected} or ${expected}` } : mismatch)
  }
  return [...places.values()]
}

const withArticle = (type: string) =>
  type === 'null' ? 'null' : `${/^[aeio]/.test(type) ? 'an' : 'a'} ${type}`

/** Source: RFC 6901, section 3 */
const escapePointer = (name: string) => name.replaceAll('~', '~0').replaceAll('/', '~1')

function valueAt(data: unknown, pointer: string): unknown {
  let at = data
  for (const part of pointer.split('/').slice(1)) {
    if (typeof at !== 'object' || at === null) return undefined
    at = (at as Record<string, unknown>)[part.replaceAll('~1', '/').replaceAll('~0', '~')]
  }
  return at
}
