import type { Clock, EpochMs } from '../base/clock.ts'
import { newGuid } from '../base/ids.ts'
import { inTurn } from '../base/in-turn.ts'
import type { Log } from '../base/log.ts'
import { encodeMoment } from '../base/moment.ts'
import { type Connections, storageConnectionOf } from '../destinations/connections.ts'
import { storageAccountKey, storageEndpoints } from '../destinations/storage-connection.ts'
import type { HubMessaging, HubStorage } from '../resources/hub-messaging.ts'
import type { RecordChange, Records } from '../store/store.ts'
import type { WireObject } from '../wire/shape.ts'
import type { BlobLook } from './blob-look.ts'
import { signBlob } from './blob-signature.ts'

/*
 * Files that devices of one hub upload. In comes the name of a file; out goes where its device may write it, in the storage
 * account of the hub, and for how long; and when the device says that it has, a notice for the service side, where the
 * hub is set to give any. It promises that an upload that has begun is known after a crash, and that a notice is durable
 * when the device is answered.
 *
 * Source: learn.microsoft.com/azure/iot-hub/iot-hub-devguide-file-upload
 */

export interface FileUploadsOptions {
  readonly hubUid: string
  readonly records: Records
  /** As they are now. */
  readonly settings: () => HubMessaging
  /** How the operator says that storage accounts are reached. */
  readonly connections: Connections
  readonly look: BlobLook['look']
  /** Writes these changes, and with them a notice for the service side. */
  readonly tell: (deviceId: string, notice: WireObject, also: readonly RecordChange[]) => Promise<void>
  readonly refuse: (name: FileRefusal, text: string) => Error
  readonly clock: Clock
  readonly log: Log
}

export type FileRefusal =
  | 'ArgumentInvalid'
  | 'DefaultStorageEndpointNotConfigured'
  | 'InvalidFileUploadCorrelationId'
  | 'ExpiredFileUploadCorrelationId'
  | 'InvalidStorageEndpoint'
  | 'InvalidStorageEndpointOrBlob'
  | 'DeviceMaximumActiveFileUploadLimitExceeded'
  | 'ServiceUnavailable'

export interface UploadingDevice {
  readonly deviceId: string
  readonly generationId: string
}

/** As the device's client puts it together: `https://{hostName}/{containerName}/{blobName}{sasToken}`. */
export interface UploadTarget {
  readonly correlationId: string
  readonly hostName: string
  readonly containerName: string
  readonly blobName: string
  readonly sasToken: string
}

/** Source: learn.microsoft.com/azure/iot-hub/iot-hub-devguide-quotas-throttling */
export const activeUploadsMost = 10
/** Source: learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata */
const blobNameMost = 1_024
/** How long the hub itself may ask for a blob by one signature. */
const lookMs = 100_000

interface StoredUpload {
  readonly generationId: string
  readonly blobName: string
  readonly expiresAt: EpochMs
}

export class FileUploads {
  readonly #options: FileUploadsOptions
  readonly #turns = inTurn()
  readonly #prefix: string
  readonly #pending = new Set<Promise<void>>()

  constructor(options: FileUploadsOptions) {
    this.#options = options
    this.#prefix = `hub/${options.hubUid}/upload/`
  }

  async begin({ deviceId, generationId }: UploadingDevice, name: string): Promise<UploadTarget> {
    const { settings, records, refuse, clock } = this.#options
    const blobName = `${deviceId}/${name}`
    if (name === '' || blobName.length > blobNameMost || !isSignable(blobName))
      throw refuse(
        'ArgumentInvalid',
        `blobName must be a name of up to ${blobNameMost} characters with the device, without control characters and ` +
          `without the segments '.' and '..'.`,
      )
    const account = this.#account()
    const { sasTtlMs } = settings().storage as HubStorage
    return this.#turns([deviceId], async () => {
      const now = clock.now()
      const known = await records.list(`${this.#prefix}${deviceId}/`)
      const isActive = (upload: StoredUpload) =>
        upload.generationId === generationId && upload.expiresAt > now
      const active = known.filter(({ value }) => isActive(value as StoredUpload))
      if (active.length >= activeUploadsMost)
        throw refuse(
          'DeviceMaximumActiveFileUploadLimitExceeded',
          `A device uploads at most ${activeUploadsMost} files at once.`,
        )
      const correlationId = newGuid()
      const expiresAt = now + sasTtlMs
      const upload: StoredUpload = { generationId, blobName, expiresAt }
      await records.write([
        ...known.filter((each) => !active.includes(each)).map(({ key }) => ({ key, value: undefined })),
        { key: this.#keyOf(deviceId, correlationId), value: upload },
      ])
      const { containerName, url } = account
      return {
        ...{ correlationId, containerName, blobName },
        hostName: `${url.host}${url.pathname.replace(/\/+$/, '')}`,
        sasToken: `?${account.sign(blobName, 'rw', expiresAt)}`,
      }
    })
  }

  /** What the device says has become of an upload. */
  async end(
    { deviceId, generationId }: UploadingDevice,
    correlationId: string,
    isSuccess: boolean,
  ): Promise<void> {
    const { settings, records, refuse, clock, tell } = this.#options
    await this.#turns([deviceId], async () => {
      const key = this.#keyOf(deviceId, correlationId)
      const stored = correlationId.includes('/') ? undefined : await records.get(key)
      const upload = stored?.value as StoredUpload | undefined
      if (!upload || upload.generationId !== generationId)
        throw refuse('InvalidFileUploadCorrelationId', `There is no upload '${correlationId}' of the device.`)
      const removal = { key, value: undefined }
      if (upload.expiresAt <= clock.now()) {
        await records.write([removal])
        throw refuse('ExpiredFileUploadCorrelationId', `The upload '${correlationId}' took too long.`)
      }
      if (!isSuccess || !settings().fileNotifications.isEnabled) {
        await records.write([removal])
        return
      }
      const notice = await this.#noticeOf(deviceId, upload)
      await tell(deviceId, notice, [removal])
    })
  }

  /** The device is gone, and its uploads soon. */
  forget(deviceId: string): void {
    const { records, log } = this.#options
    const forgotten: Promise<void> = this.#turns([deviceId], async () => {
      const known = await records.list(`${this.#prefix}${deviceId}/`)
      if (known.length > 0) await records.write(known.map(({ key }) => ({ key, value: undefined })))
    })
      .catch((error: unknown) =>
        log.error({ err: error, device: deviceId }, 'Uploads of a device that is gone are left on disk.'),
      )
      .finally(() => this.#pending.delete(forgotten))
    this.#pending.add(forgotten)
  }

  /** Resolves when nothing is under way that nobody waits for. */
  async settle(): Promise<void> {
    while (this.#pending.size > 0) await Promise.all(this.#pending)
  }

  async #noticeOf(deviceId: string, { blobName }: StoredUpload): Promise<WireObject> {
    const { clock, refuse, look } = this.#options
    const { url, containerName, sign } = this.#account()
    const escaped = blobName.split('/').map(encodeURIComponent).join('/')
    const blobUri = `${url.href.replace(/\/*$/, '/')}${containerName}/${escaped}`
    const query = sign(blobName, 'r', clock.now() + lookMs)
    const { status, bytes, changedAt } = await look(`${blobUri}?${query}`).catch((error: Error) => {
      throw refuse('ServiceUnavailable', `The storage account cannot be asked: ${error.message}`)
    })
    if (status !== 200)
      throw refuse(
        'InvalidStorageEndpointOrBlob',
        `The storage account answers ${status} to the question for '${blobName}'.`,
      )
    return {
      ...{ deviceId, blobUri, blobName },
      lastUpdatedTime: new Date(changedAt ?? clock.now()).toISOString().replace(/\.\d+Z$/, '+00:00'),
      blobSizeInBytes: bytes,
      enqueuedTimeUtc: encodeMoment(clock.now()),
    }
  }

  /** The storage account as the operator says that it is reached, else as the hub does. */
  #account() {
    const { settings, connections, refuse } = this.#options
    const { storage } = settings()
    if (!storage)
      throw refuse(
        'DefaultStorageEndpointNotConfigured',
        'The hub has no storage account for files (storageEndpoints.$default).',
      )
    const { connectionString, containerName } = storage
    const known = storageConnectionOf(connections, connectionString) ?? connectionString
    const proof = storageAccountKey(known)
    const url = URL.parse(storageEndpoints(known)?.blob ?? '')
    if (!proof || !url)
      throw refuse('InvalidStorageEndpoint', 'No key of the storage account for files is known.')
    return {
      ...{ url, containerName },
      sign: (blobName: string, permissions: string, expiresAt: EpochMs) =>
        signBlob(proof, `${containerName}/${blobName}`, { permissions, expiresAt }),
    }
  }

  #keyOf(deviceId: string, correlationId: string): string {
    return `${this.#prefix}${deviceId}/${correlationId}`
  }
}

/**
 * Whether what is signed is what a URL of the blob will name: a line feed would part it, a URL has no halves of surrogate
 * pairs, and segments of dots lead out of where the device may write before anybody asks for the signature.
 */
const isSignable = (blobName: string): boolean =>
  blobName.isWellFormed() &&
  !/\p{Cc}/u.test(blobName) &&
  !blobName.split('/').some((segment) => segment === '.' || segment === '..')
