import type { Expression } from './expression.ts'
import { Parser } from './parser.ts'

/*
 * Conditions of routes: what they are asked about is a message, with its body and the twin of whoever sent it.
 *
 * Source: learn.microsoft.com/azure/iot-hub/iot-hub-devguide-routing-query-syntax
 */

/** A message as conditions see it. What costs something is a function, called when a condition asks for it. */
export interface MessageView {
  /** The application's, in any letter case. */
  readonly property: (name: string) => unknown
  /** By the name that follows the dollar sign, in any letter case. */
  readonly systemProperty: (name: string) => unknown
  /** Undefined where the body is no JSON, or does not say so. */
  readonly body: () => unknown
  /** Undefined where there is none. */
  readonly twin: () => unknown
}

export interface RouteCondition {
  /** It asks for the twin, or for the model that the twin knows of. */
  readonly readsTwin: boolean
  holds(message: MessageView): boolean
  /** What it gives, where that is not true or false too. */
  evaluate(message: MessageView): unknown
}

/** The twin knows it. */
const modelProperty = '$dt-dataschema'

/** Throws a `QueryError`, which says where, for what is not in the language. */
export function compileRouteCondition(text: string): RouteCondition {
  const parser = new Parser(text, 'messages')
  const condition = parser.condition()
  parser.expectEnd()
  return {
    readsTwin: parser.heads.has('$twin') || parser.heads.has(modelProperty),
    holds: (message) => evaluate(condition, message) === true,
    evaluate: (message) => evaluate(condition, message),
  }
}

const evaluate = (condition: Expression, message: MessageView): unknown =>
  condition({ get: (path) => read(path, message) })

function read([head = '', ...rest]: readonly string[], message: MessageView): unknown {
  switch (head.toLowerCase()) {
    case '$body':
      // The whole body, or an item of it, is nothing that can be asked about.
      return rest.length === 0 || /^\d/.test(rest[0] as string) ? undefined : memberAt(message.body(), rest)
    case '$twin':
      return memberAt(message.twin(), rest)
    case modelProperty:
      return memberAt(message.twin(), ['modelId'])
    case '$properties':
      return message.property(rest.join('.'))
  }
  const name = [head, ...rest].join('.')
  if (!head.startsWith('$')) return message.property(name)
  return message.systemProperty(name.slice(1)) ?? message.property(name)
}

/** What a path names within JSON: names in any letter case, items by their numbers. */
export function memberAt(value: unknown, path: readonly string[]): unknown {
  let found = value
  for (const name of path) {
    if (typeof found !== 'object' || found === null) return undefined
    if (Array.isArray(found)) found = /^\d+$/.test(name) ? (found[Number(name)] as unknown) : undefined
    else found = memberOf(found as Readonly<Record<string, unknown>>, name)
  }
  return found
}

/** As it is written where there is such a member, else the first that differs in letter case alone. */
export function memberOf(object: Readonly<Record<string, unknown>>, name: string): unknown {
  if (Object.hasOwn(object, name)) return object[name]
  const lower = name.toLowerCase()
  for (const key of Object.keys(object)) if (key.toLowerCase() === lower) return object[key]
  return undefined
}
