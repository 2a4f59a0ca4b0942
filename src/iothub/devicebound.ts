import { newGuid } from '../base/ids.ts'
import { encodeMoment } from '../base/moment.ts'
import type { IotHub } from '../catalog/iot-hub.ts'
import type { Devicebound, LockedMessage, LockedNotice } from '../devicebound/devicebound.ts'
import type { HttpRequest, HttpResponse } from '../http/http.ts'
import type { SystemProperties } from '../hubmessage/message.ts'
import { empty, json } from './answers.ts'
import { ofDevice, type Vouch } from './proven-device.ts'
import { deviceName, type Route, route } from './route.ts'

/*
 * Messages to devices over HTTPS: a device asks for the oldest that waits, and says what becomes of it by the lock that
 * it was given; and so does a service with feedback.
 *
 * Source: learn.microsoft.com/rest/api/iothub/device/receive-device-bound-notification and
 * learn.microsoft.com/rest/api/iothub/service/cloud-to-device-messages
 */

export function deviceboundRoutes({
  vouch,
  devicebound,
}: {
  readonly vouch: Vouch
  readonly devicebound: (hub: IotHub) => Promise<Devicebound>
}): readonly Route[] {
  const messages = '/devices/{}/messages/devicebound'
  const feedback = '/messages/servicebound/feedback'
  return [
    route(
      `GET ${messages}`,
      'DeviceConnect',
      ofDevice(vouch, async ({ hub }, { deviceId }) => receiveMessage(await devicebound(hub), deviceId)),
    ),
    route(
      `DELETE ${messages}/{}`,
      'DeviceConnect',
      ofDevice(vouch, async ({ hub, names, request }, { deviceId }) =>
        settleMessage(await devicebound(hub), deviceId, names[1] ?? '', request),
      ),
    ),
    route(
      `POST ${messages}/{}/abandon`,
      'DeviceConnect',
      ofDevice(vouch, async ({ hub, names }, { deviceId }) => {
        await (await devicebound(hub)).abandon(deviceId, names[1] ?? '')
        return empty(204)
      }),
    ),
    route('DELETE /devices/{}/commands', 'ServiceConnect', async (call) => {
      const { deviceId } = deviceName(call)
      const totalMessagesPurged = await (await devicebound(call.hub)).purge(deviceId)
      return json({ totalMessagesPurged, deviceId, moduleId: null })
    }),
    route(`GET ${feedback}`, 'ServiceConnect', async ({ hub }) => receiveFeedback(await devicebound(hub))),
    route(`DELETE ${feedback}/{}`, 'ServiceConnect', async ({ hub, names }) => {
      await (await devicebound(hub)).feedback.complete(names[0] ?? '')
      return empty(204)
    }),
    route(`POST ${feedback}/{}/abandon`, 'ServiceConnect', async ({ hub, names }) => {
      await (await devicebound(hub)).feedback.abandon(names[0] ?? '')
      return empty(204)
    }),
  ]
}

const systemHeaders: Readonly<Partial<Record<keyof SystemProperties, string>>> = {
  messageId: 'iothub-messageid',
  correlationId: 'iothub-correlationid',
  userId: 'iothub-userid',
  contentType: 'iothub-contenttype',
  contentEncoding: 'iothub-contentencoding',
}

async function receiveMessage(devicebound: Devicebound, deviceId: string): Promise<HttpResponse> {
  const message = await devicebound.receive(deviceId)
  return message ? encodeMessage(deviceId, message) : empty(204)
}

function encodeMessage(deviceId: string, message: LockedMessage): HttpResponse {
  const { lockToken, sequenceNumber, enqueuedAt, expiresAt, deliveryCount, ack, system, properties } = message
  const headers: Record<string, string> = {
    'content-type': headerValue(system.contentType ?? 'application/octet-stream'),
    'x-ms-request-id': newGuid(),
    etag: `"${lockToken}"`,
    'iothub-sequencenumber': String(sequenceNumber),
    'iothub-enqueuedtime': encodeMoment(enqueuedAt),
    'iothub-deliverycount': String(deliveryCount),
    'iothub-ack': ack,
    'iothub-to': headerValue(system.to ?? `/devices/${encodeURIComponent(deviceId)}/messages/devicebound`),
    ...(expiresAt !== undefined && { 'iothub-expiry': encodeMoment(expiresAt) }),
  }
  for (const [own, name] of Object.entries(systemHeaders)) {
    const value = system[own as keyof SystemProperties]
    if (value !== undefined) headers[name] = headerValue(value)
  }
  for (const [name, value] of Object.entries(properties))
    headers[`iothub-app-${headerName(name)}`] = headerValue(value ?? '')
  return { status: 200, headers, body: message.payload }
}

/** What a header cannot hold is percent-encoded. */
const headerValue = (text: string): string => text.replace(/[^\x20-\x7e]+/gu, encodeURIComponent)
const headerName = (text: string): string =>
  text.replace(/[^A-Za-z0-9!#$%&'*+.^_`|~-]/gu, (character) =>
    // These two are left as they are by the function, and are nothing for a name.
    encodeURIComponent(character).replace(/[()]/g, (each) => `%${each.charCodeAt(0).toString(16)}`),
  )

/** `DELETE .../{lock}` completes, and with `reject` in its query rejects. */
async function settleMessage(
  devicebound: Devicebound,
  deviceId: string,
  lockToken: string,
  { query }: HttpRequest,
): Promise<HttpResponse> {
  if (query.has('reject')) await devicebound.reject(deviceId, lockToken)
  else await devicebound.complete(deviceId, lockToken)
  return empty(204)
}

async function receiveFeedback({ feedback }: Devicebound): Promise<HttpResponse> {
  const notice = await feedback.receive()
  return notice ? encodeNotice(notice) : empty(204)
}

const encodeNotice = (notice: LockedNotice): HttpResponse => ({
  status: 200,
  headers: {
    'content-type': notice.contentType,
    'x-ms-request-id': newGuid(),
    etag: `"${notice.lockToken}"`,
    'iothub-messageid': notice.messageId,
    'iothub-enqueuedtime': encodeMoment(notice.enqueuedAt),
    'iothub-deliverycount': String(notice.deliveryCount),
  },
  body: notice.body,
})
