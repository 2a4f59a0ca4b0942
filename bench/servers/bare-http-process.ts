import { createServer } from 'node:http'

const server = createServer({ noDelay: true }, (request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    const body = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)
    const isArray = Array.isArray(JSON.parse(body.toString()))
    response.writeHead(isArray ? 200 : 400, { 'content-length': 0 }).end()
  })
})
server.listen(0, '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${(server.address() as { readonly port: number }).port}/`)
})
