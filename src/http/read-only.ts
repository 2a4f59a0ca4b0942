import { RequestError } from '../base/errors.ts'
import type { HttpRequest } from './http.ts'

/** Refuses whatever is asked of a path that can only be read. */
export function refuseWriting({ method, path }: HttpRequest): void {
  if (method === 'GET' || method === 'HEAD') return
  throw new RequestError(405, 'MethodNotAllowed', `${path} can be read with GET alone.`, {
    headers: { Allow: 'GET, HEAD' },
  })
}
