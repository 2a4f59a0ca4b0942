import type { IotHub } from '../catalog/iot-hub.ts'
import type { FileUploads } from '../fileupload/file-uploads.ts'
import { HubError, invalid } from '../registry/errors.ts'
import { isObject } from '../wire/shape.ts'
import { empty, json } from './answers.ts'
import { ofDevice, type Vouch } from './proven-device.ts'
import { type Route, route } from './route.ts'

/*
 * What devices say of files that they upload.
 *
 * Source: learn.microsoft.com/rest/api/iothub/device/create-file-upload-sas-uri and .../update-file-upload-status
 */

export function fileRoutes({
  vouch,
  files,
}: {
  readonly vouch: Vouch
  readonly files: (hub: IotHub) => Promise<FileUploads>
}): readonly Route[] {
  const end = ofDevice(vouch, async (call, device) => {
    const { correlationId, isSuccess } = decodeUploadEnd(await call.body(), call.names[1])
    await (await files(call.hub)).end(device, correlationId, isSuccess)
    return empty(204)
  })
  return [
    route(
      'POST /devices/{}/files',
      'DeviceConnect',
      ofDevice(vouch, async (call, device) =>
        json(await (await files(call.hub)).begin(device, decodeBlobName(await call.body()))),
      ),
    ),
    route('POST /devices/{}/files/notifications', 'DeviceConnect', end),
    route('POST /devices/{}/files/notifications/{}', 'DeviceConnect', end),
  ]
}

function decodeBlobName(body: unknown): string {
  const name = isObject(body) ? body.blobName : undefined
  if (typeof name !== 'string' || name === '') throw invalid('blobName', 'a string', name)
  return name
}

/** Older clients name the upload in the path, newer ones in the body. */
function decodeUploadEnd(
  body: unknown,
  inPath: string | undefined,
): { readonly correlationId: string; readonly isSuccess: boolean } {
  const { isSuccess, correlationId = inPath } = isObject(body) ? body : {}
  if (typeof isSuccess !== 'boolean')
    throw new HubError('InvalidFileUploadCompletionStatus', 'isSuccess must be true or false.')
  if (typeof correlationId !== 'string' || correlationId === '')
    throw new HubError('InvalidFileUploadCorrelationId', 'correlationId must be a string.')
  return { correlationId, isSuccess }
}
