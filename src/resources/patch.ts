import { invalidProperty } from '../wire/errors.ts'
import { isObject, overlay, type WireObject } from '../wire/shape.ts'

/** For a type whose updates come wrapped in `properties`: each member given takes the place of the one there is. */
export function patchProperties(body: WireObject, before: { readonly properties: WireObject }): WireObject {
  const { properties } = body
  if (properties === undefined || properties === null) return before.properties
  if (isObject(properties)) return overlay(before.properties, properties)
  throw invalidProperty('properties', 'an object', properties)
}
