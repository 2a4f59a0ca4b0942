// A webhook: shows what is delivered to it, and confirms that it wants events when it is asked.
// node docs/examples/receiver.mjs 7000
import { createServer } from 'node:http'
import { json } from 'node:stream/consumers'

const port = Number(process.argv[2] ?? 7000)
createServer(async (request, response) => {
  const [event] = await json(request)
  const code = event.data?.validationCode
  const shown = code ? event.topic : `${event.id} ${event.subject} ${JSON.stringify(event.data)}`
  process.stdout.write(`${request.headers['aeg-event-type']} ${shown}\n`)
  response.setHeader('Content-Type', 'application/json')
  response.end(JSON.stringify(code ? { validationResponse: code } : {}))
}).listen(port, '127.0.0.1', () => process.stdout.write(`listening on http://127.0.0.1:${port}\n`))
