import { connect, type Socket } from 'node:net'
import { until } from '../load/monotonic.ts'

/** Bytes of a connection, given to `onBytes` until it has taken what it can; it answers with how much that was. */
export async function openSocket(port: number, onBytes: (bytes: Buffer) => number): Promise<Socket> {
  let socket: Socket | undefined
  const tryOnce = () =>
    new Promise<boolean>((resolve) => {
      const attempt = connect({ host: '127.0.0.1', port, noDelay: true })
      attempt.once('error', () => resolve(false))
      attempt.once('connect', () => {
        socket = attempt
        resolve(true)
      })
    })
  if (!(await until(tryOnce, 5000, 10)) || !socket)
    throw new Error(`A server was expected to listen on port ${port}.`)
  let rest: Buffer = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => {
    const bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk
    rest = bytes.subarray(onBytes(bytes))
  })
  socket.on('error', () => {})
  return socket
}
