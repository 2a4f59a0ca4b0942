import type { EpochMs } from '../base/clock.ts'
import { encodeMoment } from '../base/moment.ts'
import type { InputSchema } from '../event/event.ts'
import { encodeMessage, schemaNames } from './message.ts'

/** A publish request that was refused, or that failed. */
export interface PublishFailure {
  /** ARM id of the topic, domain or partner namespace. */
  readonly resourceId: string
  readonly inputSchema: InputSchema
  /** Undefined where the body was not read, or not understood. */
  readonly events: number | undefined
  /** Without query: a key may stand there. */
  readonly requestUri: string
  /** The protocol's name for the status, such as `Unauthorized`. */
  readonly status: string
  /** What was wrong, such as `InputJsonInvalid`. */
  readonly errorType: string
  readonly errorMessage: string
}

export function encodePublishFailure(failure: PublishFailure, at: EpochMs) {
  const { resourceId, inputSchema, events, requestUri, status, errorType, errorMessage } = failure
  const id = resourceId.toUpperCase()
  return {
    time: encodeMoment(at),
    resourceId: id,
    category: 'PublishFailures',
    operationName: 'Post',
    message: encodeMessage({
      inputEventsCount: events ?? 'null',
      requestUri,
      publisherInfo: `PublisherInfo(category=User, inputSchema=${schemaNames[inputSchema]}, armResourceId=${id})`,
      httpStatusCode: status,
      errorType,
      errorMessage,
    }),
  }
}
