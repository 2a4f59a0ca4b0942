import { compileRouteCondition, type MessageView, memberOf } from '../hubquery/route-condition.ts'
import { QueryError } from '../hubquery/tokens.ts'
import { invalidProperty } from '../wire/errors.ts'
import {
  type Fields,
  fields,
  isObject,
  readEnum,
  readObject,
  readString,
  type WireObject,
} from '../wire/shape.ts'
import { routeSources, routingOf } from './hub-routing.ts'
import type { Action } from './resource-type.ts'

/*
 * Tries conditions of routes on a message that a request gives, and sends nothing.
 *
 * Source: learn.microsoft.com/rest/api/iothub/iot-hub-resource/test-all-routes and .../test-route
 */

const bodyCharacters = 256 * 1024

/** Which of the hub's routes want the message. */
export const testAllRoutes: Action = (content, body) => {
  const from = fields(body ?? {}, '')
  const source = readEnum(from, 'routingSource', routeSources) ?? 'DeviceMessages'
  const message = readMessage(from)
  const matched = routingOf(content).routes.filter(
    (route) =>
      route.isEnabled && route.source === source && compileRouteCondition(route.condition).holds(message),
  )
  return {
    answer: {
      routes: matched.map(({ endpointName, ...route }) => ({
        properties: { ...route, endpointNames: [endpointName] },
      })),
    },
  }
}

/** Whether a route that need not be there wants the message, or what is wrong with it. */
export const testNewRoute: Action = (_content, body) => {
  const from = fields(body ?? {}, '')
  const message = readMessage(from)
  const route = readObject(from, 'route')
  if (!route) throw invalidProperty('route', 'an object', undefined)
  try {
    const result = compileRouteCondition(readString(route, 'condition', 8192) ?? 'true').evaluate(message)
    return {
      answer: {
        result: typeof result === 'boolean' ? String(result) : 'undefined',
        details: { compilationErrors: [] },
      },
    }
  } catch (error) {
    if (!(error instanceof QueryError)) throw error
    const column = Number(/character (\d+)/i.exec(error.message)?.[1] ?? 1)
    const location = { line: 1, column }
    return {
      answer: {
        result: 'undefined',
        details: {
          compilationErrors: [
            { message: error.message, severity: 'error', location: { start: location, end: location } },
          ],
        },
      },
    }
  }
}

function readMessage(from: Fields): MessageView {
  const message = readObject(from, 'message') ?? fields({}, 'message')
  const text = readString(message, 'body', bodyCharacters)
  const properties = readMembers(message, 'appProperties')
  const system = readMembers(message, 'systemProperties')
  const twin = readMembers(from, 'twin')
  const systemProperty = (name: string) => memberOf(system, name) ?? memberOf(system, hyphenated(name))
  return {
    property: (name) => memberOf(properties, name),
    systemProperty,
    body: () => decodeBody(text, systemProperty('contentType')),
    twin: () => twin,
  }
}

const readMembers = (from: Fields, name: string): WireObject => {
  const value = from.raw(name) ?? {}
  if (!isObject(value)) throw invalidProperty(from.at(name), 'an object', value)
  return value
}

/** `contentType` is `content-type` too. */
const hyphenated = (name: string) => name.replace(/[A-Z]/g, (letter) => `-${letter}`)

/** A test need not say what its body is. */
function decodeBody(text: string | undefined, contentType: unknown): unknown {
  const isOther = typeof contentType === 'string' && !/^application\/json\b/i.test(contentType)
  if (text === undefined || isOther) return undefined
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}
