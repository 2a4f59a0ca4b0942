import type { HttpRequest } from '../http/http.ts'
import { isObject, type WireObject } from '../wire/shape.ts'
import { invalidContent } from './errors.ts'

/** Source: the ARM resource provider contract, "Request and response size". */
export const defaultArmBodyBytes = 8 * 1024 * 1024

/** The request's JSON; undefined when it has no body. */
export async function readJson(request: HttpRequest, limitBytes: number): Promise<unknown> {
  const bytes = await request.body(limitBytes)
  if (bytes.length === 0) return undefined
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (error) {
    throw invalidContent(error instanceof Error ? error.message : String(error))
  }
}

/** The request's JSON object. */
export async function readJsonObject(request: HttpRequest, limitBytes: number): Promise<WireObject> {
  const body = await readJson(request, limitBytes)
  if (isObject(body)) return body
  throw invalidContent(body === undefined ? 'the body is empty' : 'the body must be a JSON object')
}
