import { createServer } from 'node:net'
import { Aedes } from 'aedes'

/** The Aedes broker by itself, in memory. */
const aedes = await Aedes.createBroker({ concurrency: 1000 })
const server = createServer({ noDelay: true }, aedes.handle)
server.listen({ host: '127.0.0.1', port: Number(process.argv[2] ?? 0), backlog: 4096 }, () => {
  const address = server.address()
  process.stdout.write(`mqtt://127.0.0.1:${typeof address === 'object' ? address?.port : ''}\n`)
})
process.once('SIGTERM', () => process.exit(0))
