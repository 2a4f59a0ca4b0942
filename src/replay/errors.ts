import { RequestError } from '../base/errors.ts'
import type { StorageFailure } from '../delivery/dead-letter.ts'

/*
 * Why dead-lettered events cannot be shown or replayed.
 */

export const eventSubscriptionNotFound = (id: string) =>
  new RequestError(404, 'ResourceNotFound', `There is no event subscription '${id}' that events go to.`, {
    target: id,
  })

export const noDeadLetterDestination = (id: string) =>
  new RequestError(
    409,
    'NoDeadLetterDestination',
    `The event subscription '${id}' has no dead-letter destination.`,
    {
      target: id,
    },
  )

export const blobNotFound = (blob: string, id: string) =>
  new RequestError(404, 'BlobNotFound', `The event subscription '${id}' has no dead-letter blob '${blob}'.`, {
    target: blob,
  })

export const malformedBlob = (blob: string, what: string, cause?: unknown) =>
  new RequestError(
    409,
    'MalformedDeadLetter',
    `The blob '${blob}' is no array of dead-letter records: ${what}`,
    {
      ...{ target: blob, cause },
    },
  )

/** @param index of the record in its blob, from 0 */
export const malformedRecord = (blob: string, index: number, what: string, cause?: unknown) =>
  new RequestError(
    409,
    'MalformedDeadLetter',
    `Record ${index} of the blob '${blob}' cannot be replayed: ${what}`,
    {
      ...{ target: blob, cause },
    },
  )

export const undeliverableSchema = (blob: string, index: number, recorded: string, delivery: string) =>
  new RequestError(
    409,
    'DeliverySchemaChanged',
    `Record ${index} of the blob '${blob}' is an event in '${recorded}', which cannot be delivered in '${delivery}', ` +
      `the delivery schema that the event subscription has now.`,
    { target: blob },
  )

export const replayUnderWay = (id: string) =>
  new RequestError(409, 'ReplayInProgress', `Dead-lettered events of '${id}' are being replayed already.`, {
    ...{ target: id, headers: { 'Retry-After': '1' } },
  })

export const storageFailed = ({ kind, message, cause }: StorageFailure) => {
  switch (kind) {
    case 'missing':
      return new RequestError(
        404,
        'ContainerNotFound',
        `The dead-letter container cannot be read: ${message}`,
        {
          cause,
        },
      )
    case 'changed':
      return new RequestError(409, 'DeadLettersChanged', `The blob was changed by another: ${message}`, {
        cause,
      })
    case 'tooLarge':
      return new RequestError(409, 'DeadLettersTooLarge', message)
    case 'unavailable':
      return new RequestError(
        503,
        'StorageUnavailable',
        `The dead-letter container is out of reach: ${message}`,
        {
          ...{ headers: { 'Retry-After': '5' }, cause },
        },
      )
  }
}

export const cannotAccept = (cause: Error) =>
  new RequestError(503, 'ServiceUnavailable', 'The events cannot be stored at this moment; try again.', {
    ...{ headers: { 'Retry-After': '5' }, cause },
  })

/** Events are on their queue, and their records could not be taken away. */
export const stillInBlob = (error: RequestError, blob: string, events: number) =>
  new RequestError(
    error.status,
    error.code,
    `${error.message} ${events} events of the blob '${blob}' are replayed and their records still there: replaying it again delivers them again.`,
    { target: error.target ?? blob, headers: error.headers, cause: error },
  )

/** The same refusal, with what had been done before it. */
export const afterReplaying = (error: RequestError, events: number, blobs: number) =>
  new RequestError(
    error.status,
    error.code,
    `${error.message} ${events} events of ${blobs} blobs were replayed.`,
    { ...(error.target !== undefined && { target: error.target }), headers: error.headers, cause: error },
  )

export const methodNotAllowed = (path: string, allowed: string) =>
  new RequestError(405, 'MethodNotAllowed', `${path} takes ${allowed} alone.`, {
    headers: { Allow: allowed },
  })
