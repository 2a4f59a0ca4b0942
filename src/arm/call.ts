import type { Caller } from '../auth/caller.ts'
import type { Origin } from '../auth/origin.ts'
import type { HttpRequest, HttpResponse } from '../http/http.ts'
import { methodNotAllowed } from './errors.ts'
import type { ParsedPath } from './path.ts'

/** One request with what every route asks for. */
export interface Call {
  readonly request: HttpRequest
  readonly path: ParsedPath
  readonly apiVersion: string
  readonly caller: Caller
  readonly origin: Origin
}

/** Carries out what a caller asks for who is already known, on the way that requests take. */
export type Perform = (request: HttpRequest, caller: Caller, origin: Origin) => Promise<HttpResponse>

export function allow({ method }: HttpRequest, methods: readonly string[]): void {
  if (!methods.includes(method)) throw methodNotAllowed(method, methods)
}
