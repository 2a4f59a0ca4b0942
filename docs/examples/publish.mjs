// Publishes one event to the topic `orders`, with its endpoint and key read from the control plane.
// NODE_EXTRA_CA_CERTS=.busbar/certificates/ca.pem node docs/examples/publish.mjs
import { AzureKeyCredential, EventGridPublisherClient } from '@azure/eventgrid'

const id = '00000000-0000-0000-0000-000000000000'
const topic = `https://127.0.0.1:4843/subscriptions/${id}/resourceGroups/demo/providers/Microsoft.EventGrid/topics/orders`
const ask = async (method, path = '') => {
  const headers = { Authorization: 'Bearer anyone' }
  const response = await fetch(`${topic}${path}?api-version=2025-02-15`, { method, headers })
  return response.json()
}
const { endpoint } = (await ask('GET')).properties
const { key1 } = await ask('POST', '/listKeys')

const client = new EventGridPublisherClient(endpoint, 'EventGrid', new AzureKeyCredential(key1))
await client.send([
  { eventType: 'Orders.Created', subject: '/orders/1', dataVersion: '1', data: { amount: 42 } },
])
