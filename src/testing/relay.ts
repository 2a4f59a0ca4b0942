import { createHmac, timingSafeEqual } from 'node:crypto'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Clock } from '../base/clock.ts'
import type { Ending } from './close-after.ts'

export interface Relay {
  /** As an emulator's, for it speaks without TLS. */
  readonly connectionString: string
  /** Requests that were let through, with what they were authorized by. */
  readonly signatures: readonly string[]
}

const keyName = 'RootManageSharedAccessKey'
const key = 'cmVsYXkta2V5LW9mLWEtdGVzdA=='

/**
 * The sender's side of Azure Relay: it checks the shared access signature of a request, takes it off, and hands the
 * request to whoever listens on that hybrid connection.
 *
 * Source: learn.microsoft.com/azure/azure-relay/relay-hybrid-connections-protocol, "Request client"
 *
 * @param listeners URL of the listener by the name of its hybrid connection
 */
export async function startRelay(
  t: Ending,
  clock: Clock,
  listeners: Readonly<Record<string, string>>,
): Promise<Relay> {
  const signatures: string[] = []
  const server = createServer((incoming, response) => {
    const end = (status: number) => {
      response.statusCode = status
      response.end()
    }
    const name = (incoming.url ?? '').slice(1)
    const { servicebusauthorization: token, ...headers } = incoming.headers
    if (typeof token !== 'string' || !isValid(token, `http://127.0.0.1/${name}`, clock.now())) return end(401)
    const listener = listeners[name]
    if (listener === undefined) return end(404)
    signatures.push(token)
    const onward = request(listener, { method: incoming.method, headers }, (answer) => {
      response.writeHead(answer.statusCode as number, answer.headers)
      answer.pipe(response)
    })
    onward.on('error', () => end(502))
    return incoming.pipe(onward)
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  t.after(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  )
  const { port } = server.address() as AddressInfo
  const connectionString =
    `Endpoint=sb://127.0.0.1:${port}/;SharedAccessKeyName=${keyName};SharedAccessKey=${key};` +
    'UseDevelopmentEmulator=true'
  return { connectionString, signatures }
}

function isValid(token: string, resource: string, now: number): boolean {
  const [, text = ''] = /^SharedAccessSignature (.*)$/.exec(token) ?? []
  const raw = Object.fromEntries(
    text.split('&').map((pair) => {
      const equals = pair.indexOf('=')
      return [pair.slice(0, equals), pair.slice(equals + 1)]
    }),
  )
  const { sr = '', sig = '', se = '', skn = '' } = raw
  const expected = createHmac('sha256', key).update(`${sr}\n${se}`).digest()
  const given = Buffer.from(decodeURIComponent(sig), 'base64')
  return (
    decodeURIComponent(skn) === keyName &&
    decodeURIComponent(sr) === resource &&
    Number(se) * 1000 > now &&
    given.length === expected.length &&
    timingSafeEqual(given, expected)
  )
}
