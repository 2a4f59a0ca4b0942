/**
 * The answer that grants a webhook's validation, or undefined when the request is none.
 *
 * Source: learn.microsoft.com/azure/event-grid/end-point-validation-event-grid-events-schema and
 * end-point-validation-cloud-events-schema
 */
export function handshakeAnswer(head: string, body: Buffer): string | undefined {
  if (head.startsWith('OPTIONS ')) {
    const origin = /\r\nwebhook-request-origin: *([^\r]+)/i.exec(head)?.[1] ?? '*'
    return `HTTP/1.1 200 OK\r\nWebHook-Allowed-Origin: ${origin}\r\nWebHook-Allowed-Rate: *\r\nContent-Length: 0\r\n\r\n`
  }
  if (!/\r\naeg-event-type: *SubscriptionValidation/i.test(head)) return undefined
  const code = /"validationCode" *: *"([^"]+)"/.exec(body.toString())?.[1] ?? ''
  const answer = JSON.stringify({ validationResponse: code })
  return `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${answer.length}\r\n\r\n${answer}`
}
