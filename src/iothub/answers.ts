import { RequestError } from '../base/errors.ts'
import { newGuid } from '../base/ids.ts'
import type { HttpResponse } from '../http/http.ts'
import type { WireObject } from '../wire/shape.ts'

/*
 * How the hub answers service clients: they read a body only where its type says JSON, and find the name of an error in
 * its text.
 *
 * Source: learn.microsoft.com/azure/iot-hub/troubleshoot-error-codes and the official service clients
 */

export function json(
  value: unknown,
  {
    status = 200,
    headers = {},
  }: { readonly status?: number; readonly headers?: Record<string, string> } = {},
): HttpResponse {
  return {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8', 'x-ms-request-id': newGuid(), ...headers },
    body: JSON.stringify(value),
  }
}

export const empty = (status: number): HttpResponse => ({ status, headers: { 'x-ms-request-id': newGuid() } })

/** With its etag in the header too. */
export const withEtag = (value: WireObject): HttpResponse =>
  json(value, { headers: { ETag: `"${String(value.etag)}"` } })

/** The clients split `Message` at its first semicolon. */
export function refusal(error: unknown): HttpResponse | undefined {
  if (!(error instanceof RequestError)) return undefined
  const { status, code, message, headers } = error
  const id = newGuid()
  const tracking = `Tracking ID:${id.replaceAll('-', '')}-TimeStamp:${new Date().toISOString()}`
  return json(
    { Message: `ErrorCode:${code};${message}`, ExceptionMessage: tracking },
    { status, headers: { ...headers, 'iothub-errorcode': code } },
  )
}
