import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { parentPort, workerData } from 'node:worker_threads'
import { createRandom } from '../../src/testing/random.ts'
import { handshakeAnswer } from './handshake.ts'
import { MessageReader } from './message-reader.ts'
import type { Behaviour, ReceiverAnswer, ReceiverCommand } from './receiver.ts'
import { Tally } from './tally.ts'

const { delivered } = workerData as { readonly delivered: Int32Array }
const accepted = Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
const busy = Buffer.from('HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n')

type Respond = (socket: Socket, head: string) => boolean

const accept: Respond = (socket) => socket.write(accepted) || true
const responses = new Map<string, Respond>()
const sockets = new Set<Socket>()
const tally = new Tally((events) => Atomics.add(delivered, 0, events))

/** Answers one notification; true when the answer says that its events were taken. */
function respondAs(behaviour: Behaviour): Respond {
  if (behaviour.kind === 'accepts') return accept
  if (behaviour.kind === 'hangs') return () => false
  const { busyShare, resetShare, mostFailures, seed } = behaviour
  const { below } = createRandom(seed)
  const draw = () => below(1e6) / 1e6
  return (socket, head) => {
    const drawn = draw()
    if (drawn >= busyShare + resetShare || failuresOf(head) >= mostFailures) return accept(socket, head)
    if (drawn < busyShare) socket.write(busy)
    else socket.resetAndDestroy()
    return false
  }
}

/** Source: learn.microsoft.com/azure/event-grid/receive-events, "Message headers": attempts before this one. */
const failuresOf = (head: string) => Number(/\r\naeg-delivery-count: *(\d+)/i.exec(head)?.[1] ?? 0)

function receive(socket: Socket, head: string, body: Buffer): void {
  const handshake = handshakeAnswer(head, body)
  if (handshake !== undefined) {
    socket.write(handshake)
    return
  }
  const pathAt = head.indexOf(' ') + 2
  const name = head.slice(pathAt, head.indexOf(' ', pathAt))
  const respond = responses.get(name) ?? accept
  if (respond(socket, head)) tally.add(name, body)
}

const server = createServer({ noDelay: true }, (socket) => {
  sockets.add(socket)
  const reader = new MessageReader((head, body) => receive(socket, head, body))
  socket.on('data', (chunk: Buffer) => reader.push(chunk))
  // A sender that is killed cuts its connections: that is what some of the runs are about.
  socket.on('error', () => socket.destroy())
  socket.on('close', () => sockets.delete(socket))
})

async function obey(command: ReceiverCommand): Promise<ReceiverAnswer> {
  switch (command.kind) {
    case 'behave':
      responses.set(command.name, respondAs(command.behaviour))
      return {}
    case 'watch':
      Atomics.store(delivered, 0, 0)
      tally.watch(command.run)
      return {}
    case 'received':
      return { received: tally.received(command.name, command.run) }
    case 'clearLatencies':
      tally.clearLatencies()
      return {}
    case 'listen': {
      server.listen(command.port, '127.0.0.1')
      await once(server, 'listening')
      return { port: (server.address() as { readonly port: number }).port }
    }
    case 'goDown':
      await goDown()
      return {}
    default:
      throw new Error(`No such command: ${JSON.stringify(command satisfies never)}`)
  }
}

async function goDown(): Promise<void> {
  const closed = once(server, 'close')
  server.close()
  for (const socket of sockets) socket.destroy()
  await closed
}

parentPort?.on('message', (command: ReceiverCommand) => {
  void obey(command).then((answer) => parentPort?.postMessage(answer))
})
