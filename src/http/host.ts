import type { HttpRequest } from './http.ts'

/** What the client calls this server, in lower case and with the port, where it named one. */
export const hostOf = ({ headers }: Pick<HttpRequest, 'headers'>): string =>
  (headers.host ?? '').toLowerCase()

export const withoutPort = (host: string): string => host.replace(/:\d+$/, '')
